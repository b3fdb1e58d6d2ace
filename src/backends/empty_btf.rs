//! A BTF file without types, which libbpf is given where the kernel has no BTF.

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
pub struct EmptyBtf {
    file: File,
    /// Where /proc is not mounted, its path begins in the working folder, which is one of our own so long.
    working_folder: Option<OwnedFd>,
}

impl EmptyBtf {
    /// # Errors
    /// There is no /proc, and we may not mount one.
    pub fn new() -> io::Result<Self> {
        let mut file = File::from(memfd_create(c"empty-btf", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(&bytes())?;
        let mut btf = Self { file, working_folder: None };
        if !Path::new(&btf.path()).exists() {
            let proc = private_mount::mount(c"proc")?;
            let before = open(".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
            fchdir(&proc)?;
            btf.working_folder = Some(before);
        }
        Ok(btf)
    }

    pub fn path(&self) -> String {
        let root = if self.working_folder.is_some() { "" } else { "/proc/" };
        format!("{root}self/fd/{}", self.file.as_raw_fd())
    }
}

impl Drop for EmptyBtf {
    fn drop(&mut self) {
        if let Some(before) = &self.working_folder {
            // It was the working folder a moment ago.
            let _ = fchdir(before);
        }
    }
}

/// A header and an empty string table.
fn bytes() -> Vec<u8> {
    const VERSION: u8 = 1;
    const HEADER_LEN: u32 = 24;
    let mut btf = Vec::new();
    btf.extend_from_slice(&0xeb9f_u16.to_ne_bytes());
    btf.extend_from_slice(&[VERSION, 0]);
    // hdr_len, type_off, type_len, str_off, str_len
    for number in [HEADER_LEN, 0, 0, 0, 1] {
        btf.extend_from_slice(&number.to_ne_bytes());
    }
    btf.push(0);
    btf
}
