//! A BTF file for libbpf, instead of the kernel's own.

use std::fs::File;
use std::io;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::fcntl::open;
use nix::sys::memfd::MFdFlags;
use nix::sys::memfd::memfd_create;
use nix::sys::stat::Mode;
use nix::unistd::fchdir;

use crate::kernel::private_mount;

/// The file, as long as this lives. libbpf opens it by a path.
pub struct BtfFile {
    file: File,
    /// Where /proc is not mounted, the path begins in the working folder, which is a /proc of our own meanwhile.
    working_folder: Option<OwnedFd>,
}

impl BtfFile {
    /// # Errors
    /// There is no /proc, and we may not mount one.
    pub fn new() -> io::Result<Self> {
        let file = File::from(memfd_create(c"btf", MFdFlags::MFD_CLOEXEC)?);
        let mut btf = Self { file, working_folder: None };
        if !Path::new(&btf.path()).exists() {
            let proc = private_mount::mount(c"proc")?;
            let before = open(".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
            fchdir(&proc)?;
            btf.working_folder = Some(before);
        }
        Ok(btf)
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn fill(&mut self, btf: &[u8]) -> io::Result<()> {
        self.file.write_all(btf)
    }

    pub fn path(&self) -> String {
        let root = if self.working_folder.is_some() { "" } else { "/proc/" };
        format!("{root}self/fd/{}", self.file.as_raw_fd())
    }
}

impl Drop for BtfFile {
    fn drop(&mut self) {
        if let Some(before) = &self.working_folder {
            // It was the working folder a moment ago.
            let _ = fchdir(before);
        }
    }
}
