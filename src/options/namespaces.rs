//! What a path of cgroupfs or nsfs names.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs::File;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::statfs::CGROUP_SUPER_MAGIC;
use nix::sys::statfs::CGROUP2_SUPER_MAGIC;
use nix::sys::statfs::NSFS_MAGIC;
use nix::sys::statfs::fstatfs;

/// What ioctl(2) is asked for the type of a namespace, NS_GET_NSTYPE.
const NS_GET_NSTYPE: nix::libc::c_ulong = 0xb703;

/// The path of a cgroup of version 2, which is all that the kernel can compare a task's with.
pub fn parse_cgroup(path: OsString) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    let file = open(path.as_os_str(), "a folder below a mount of type cgroup2")?;
    let system = fstatfs(&file).map_err(|error| error.desc().to_owned())?;
    let is_folder = file.metadata().is_ok_and(|file| file.is_dir());
    match system.filesystem_type() {
        CGROUP2_SUPER_MAGIC if is_folder => Ok(path),
        CGROUP2_SUPER_MAGIC => Err("a file of a cgroup; give its folder".into()),
        CGROUP_SUPER_MAGIC => Err("a cgroup of version 1; give one of version 2".into()),
        _ => Err("no cgroup; give a folder below a mount of type cgroup2".into()),
    }
}

/// The inode number of a network namespace: as such, or by a path that leads to it.
#[expect(clippy::needless_pass_by_value, reason = "clap passes it so")]
pub fn parse_netns(text: OsString) -> Result<u32, String> {
    if let Some(inode) = text.to_str().and_then(|text| text.parse().ok()) {
        return if inode == 0 { Err("no namespace has this number".into()) } else { Ok(inode) };
    }
    let file = open(&text, "/proc/PID/ns/net or an inode number")?;
    let system = fstatfs(&file).map_err(|error| error.desc().to_owned())?;
    if system.filesystem_type() != NSFS_MAGIC || namespace_type(&file) != Ok(nix::libc::CLONE_NEWNET) {
        return Err("no network namespace; give /proc/PID/ns/net or its inode number".into());
    }
    let inode = file.metadata().map_err(|error| error.to_string())?.ino();
    inode.try_into().map_err(|_| format!("the inode number {inode} is too large"))
}

/// Not waiting, whatever it is: a FIFO would.
fn open(path: &OsStr, wanted: &str) -> Result<File, String> {
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path);
    file.map_err(|error| format!("{error}; give {wanted}"))
}

fn namespace_type(file: &File) -> Result<i32, Errno> {
    // SAFETY: it takes no argument, and nsfs is what the descriptor is of.
    Errno::result(unsafe { nix::libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_namespace_is_a_number_or_a_path() {
        let own = std::fs::metadata("/proc/self/ns/net").unwrap().ino() as u32;
        assert_eq!(parse_netns("/proc/self/ns/net".into()), Ok(own));
        assert_eq!(parse_netns("4026531840".into()), Ok(4026531840));
        for bad in ["", "0", "-1", "4294967296", "/proc/self/ns/pid", "/proc/self/status", "/nowhere"] {
            assert!(parse_netns(bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_fifo_is_not_waited_for() {
        let path = std::env::temp_dir().join(format!("bpftools-fifo-{}", std::process::id()));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let results = (parse_cgroup(path.clone().into()).is_err(), parse_netns(path.clone().into()).is_err());
        std::fs::remove_file(path).unwrap();
        assert_eq!(results, (true, true));
    }

    #[test]
    fn what_is_no_cgroup_is_an_error() {
        assert!(parse_cgroup("/proc".into()).unwrap_err().contains("no cgroup"));
        assert!(parse_cgroup("/nowhere".into()).is_err());
    }
}
