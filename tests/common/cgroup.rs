//! The cgroup of the calling process, as bpf_get_current_cgroup_id() names it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::process;
use std::sync::OnceLock;

/// Where cgroup2 is mounted, if anywhere.
pub fn mount() -> Option<&'static Path> {
    static MOUNT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        mounts.lines().find_map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [_, place, "cgroup2", ..] => Some(place.into()),
            _ => None,
        })
    };
    MOUNT.get_or_init(find).as_deref()
}

/// The id is the inode number of the cgroup's directory.
pub fn own_id() -> Option<u64> {
    let lines = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = lines.lines().find_map(|line| line.strip_prefix("0::/"))?;
    fs::metadata(mount()?.join(path)).ok().map(|directory| directory.ino())
}

/// A new cgroup with these processes in it, and every other one of them in one below it. `None` where there are none.
pub fn with(pids: &[u32]) -> Option<PathBuf> {
    let cgroup = mount()?.join(format!("bpftools-test-{}", process::id()));
    let below = cgroup.join("below");
    fs::create_dir_all(&below).expect("a cgroup");
    for (number, pid) in pids.iter().enumerate() {
        let folder = if number % 2 == 0 { &cgroup } else { &below };
        fs::write(folder.join("cgroup.procs"), pid.to_string()).expect("a process moves there");
    }
    Some(cgroup)
}

/// Takes it away, once its processes have ended.
pub fn remove() {
    let Some(mount) = mount() else { return };
    let cgroup = mount.join(format!("bpftools-test-{}", process::id()));
    let _ = fs::remove_dir(cgroup.join("below")).and_then(|()| fs::remove_dir(cgroup));
}
