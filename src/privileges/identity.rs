//! Which user this process is: not one that somebody else's file makes it, and in the end not root.

use std::env;

use anyhow::Context;
use anyhow::bail;
use caps::Capability;
use nix::errno::Errno;
use nix::unistd::Gid;
use nix::unistd::Uid;
use nix::unistd::getgroups;
use nix::unistd::getresgid;
use nix::unistd::getresuid;
use nix::unistd::setgroups;
use nix::unistd::setresgid;
use nix::unistd::setresuid;

use super::Kept;

/// Who root becomes if nobody asked root to do this: `nobody` on most systems, and the kernel's own
/// word for a user that it cannot name.
const NOBODY: u32 = 65534;

/// A set-user-ID copy would trace, and write files, for whoever calls it. File capabilities leave all of
/// these IDs alone, and are welcome.
pub fn refuse_set_id() -> anyhow::Result<()> {
    let users = getresuid().context("cannot read the user IDs")?;
    let groups = getresgid().context("cannot read the group IDs")?;
    if users.real == users.effective && groups.real == groups.effective {
        return Ok(());
    }
    bail!(
        "this process has the rights of a set-user-ID or set-group-ID file, and would use them for whoever starts it; \
         `chmod ug-s` the file, and give it to a group with `setcap cap_bpf,cap_perfmon+ep`"
    )
}

/// Root becomes the user who called sudo, or nobody, without any other group. Others stay who they are.
pub fn leave_root() -> Vec<Kept> {
    if !Uid::effective().is_root() {
        return Vec::new();
    }
    let sudo = |name| env::var(name).ok();
    let (user, group) = successor(sudo("SUDO_UID").as_deref(), sudo("SUDO_GID").as_deref());
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(group));
    // The user last: it takes being root to change the others.
    [
        ("the supplementary groups".to_owned(), Capability::CAP_SETGID, leave_groups()),
        (format!("group {}", Gid::effective()), Capability::CAP_SETGID, setresgid(gid, gid, gid)),
        (format!("user {}", Uid::effective()), Capability::CAP_SETUID, setresuid(uid, uid, uid)),
    ]
    .into_iter()
    .filter_map(|(what, needed, result)| {
        Some(match result.err()? {
            Errno::EINVAL => Kept::new(what, "its namespace has no other"),
            error => Kept::refused(what, needed, error),
        })
    })
    .collect()
}

/// Leaving none takes no capability.
fn leave_groups() -> nix::Result<()> {
    if getgroups()?.is_empty() { Ok(()) } else { setgroups(&[]) }
}

/// The user and group that sudo says called it, if both are numbers and neither is root's.
fn successor(user: Option<&str>, group: Option<&str>) -> (u32, u32) {
    let id = |word: Option<&str>| word?.parse().ok().filter(|&id: &u32| id != 0 && id != u32::MAX); // -1: unchanged
    match (id(user), id(group)) {
        (Some(user), Some(group)) => (user, group),
        _ => (NOBODY, NOBODY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_becomes_who_called_sudo_or_nobody() {
        assert_eq!(successor(Some("1000"), Some("100")), (1000, 100));
        let nobody = (NOBODY, NOBODY);
        assert_eq!(successor(None, None), nobody);
        assert_eq!(successor(Some("1000"), None), nobody);
        for odd in ["0", "", "-1", "4294967295", "4294967296", "1000 ", "root"] {
            assert_eq!(successor(Some(odd), Some("100")), nobody, "{odd:?}");
            assert_eq!(successor(Some("1000"), Some(odd)), nobody, "{odd:?}");
        }
    }
}
