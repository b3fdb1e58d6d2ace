//! An output that takes less than there is, or nothing.

use std::fs::File;
use std::io::BufReader;
use std::io::Read;
use std::io::Seek;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use nix::mount::MntFlags;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::mount::umount2;

use super::Play;
use super::account::Account;
use super::traced::Traced;
use super::traced::count;
use super::traced::make_all;

/// A reader that takes some 800 KB a second.
pub fn slow_pipe(play: &Play) -> Result<String> {
    let mut attempts = [play.attempts()?];
    let (reader, stdout) = std::io::pipe()?;
    let tool = play.start(&attempts, &[], stdout)?;
    let traced = Traced::new(tool, count(reader, Duration::from_millis(5)));
    let made = make_all(&mut attempts)?;
    traced.account(made)?.holds(play.backend, false)
}

/// Nobody reads before the tool has ended.
pub fn full_pipe(play: &Play) -> Result<String> {
    let mut attempts = [play.attempts()?];
    let (reader, stdout) = std::io::pipe()?;
    let tool = play.start(&attempts, &[], stdout)?;
    let made = make_all(&mut attempts)?;
    let output = tool.stop()?;
    let rows = count(reader, Duration::ZERO).join().expect("it counts")?;
    Account::of(made, rows, &output)?.holds(play.backend, false)
}

/// A file system of 1 MB, and then /dev/full.
pub fn full_disk(play: &Play) -> Result<String> {
    let on_disk = into_file(play, small_disk()?)?;
    let nowhere = into_file(play, File::options().read(true).write(true).open("/dev/full")?)?;
    Ok(format!("{on_disk}; /dev/full: {nowhere}"))
}

fn into_file(play: &Play, mut file: File) -> Result<String> {
    let mut attempts = [play.attempts()?];
    let tool = play.start(&attempts, &[], file.try_clone()?)?;
    let made = make_all(&mut attempts)?;
    let output = tool.stop()?;
    let mut rows = 0;
    if file.metadata()?.is_file() {
        file.rewind()?;
        // The disk may have been full in the middle of a line, which has no end then, and is no row.
        rows = BufReader::new(file).bytes().filter(|byte| matches!(byte, Ok(b'\n'))).count() as u64;
    }
    Account::of(made, rows, &output)?.holds(play.backend, false)
}

/// A file on a file system of its own, which is gone with the file.
fn small_disk() -> Result<File> {
    let at = std::env::temp_dir().join(format!("bpftools-faults-{}", std::process::id()));
    std::fs::create_dir(&at)?;
    let file = (|| {
        mount(Some("small"), &at, Some("tmpfs"), MsFlags::empty(), Some("size=1m")).context("mounting a tmpfs")?;
        let file = File::options().read(true).write(true).create_new(true).open(at.join("rows"));
        umount2(&at, MntFlags::MNT_DETACH).context("unmounting it")?;
        file.context("a file on it")
    })();
    std::fs::remove_dir(&at)?;
    file
}
