//! `bpftools --install DIR`: a link for each tool.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use anyhow::bail;

use crate::tools;

/// Links every tool's name in `dir` to this binary.
pub fn install(dir: &Path, symbolic: bool, force: bool) -> anyhow::Result<ExitCode> {
    let binary = std::env::current_exe().context("cannot find this program's own file")?;
    let make = |link: &Path| if symbolic { symlink(&binary, link) } else { fs::hard_link(&binary, link) };
    for tool in tools::ALL {
        let link = dir.join(tool.name);
        match if force { replace(&link, make) } else { make(&link) } {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !force => {
                bail!("{} exists; -f replaces it", link.display())
            }
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                bail!("{} is on another file system; -s makes symbolic links", link.display())
            }
            Err(error) => return Err(error).with_context(|| format!("cannot make {}", link.display())),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts a new link in the place of `link`, which is the old or the new one at every moment.
fn replace(link: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let new = link.with_extension(format!("{}.new", std::process::id()));
    make(&new)?;
    let renamed = fs::rename(&new, link);
    // Still there if that failed, or if both names are of one file already: rename(2) does nothing then.
    let _ = fs::remove_file(&new);
    renamed
}
