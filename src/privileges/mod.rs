//! What this process may do: all that attaching needs, at first; then next to nothing.
//!
//! A run ends as a process that can use what it has open and ask the kernel for what its own data say
//! ([`Call`]), and that can open, load, start or become nothing.

mod calls;
mod capabilities;
mod identity;
mod landlock;
mod seccomp;

use std::fmt;
use std::fs;

use anyhow::Context;
use anyhow::ensure;
use caps::Capability;
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sched::unshare;

pub use self::calls::Call;
pub use self::calls::DETACH;
pub use self::calls::READ_MAPS;
pub use self::calls::READ_PROGRAMS;
pub use self::calls::RUN_ITERATORS;
pub use self::calls::RUN_PROGRAMS;
pub use self::calls::TAKE_FROM_MAPS;
pub use self::capabilities::has;
pub use self::capabilities::missing;
pub use self::identity::leave_root;
pub use self::landlock::deny_files;
pub use self::seccomp::allow_only;

/// Something that could not be given up, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    what: String,
    why: String,
}

impl Kept {
    fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }

    /// The kernel refused with `error`, which is EPERM where `needed` is missing.
    fn refused(what: impl Into<String>, needed: Capability, error: Errno) -> Self {
        let why = match error {
            Errno::EPERM if !has(needed) => format!("{needed} is missing"),
            _ => error.to_string(),
        };
        Self::new(what, why)
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kept {}: {}", self.what, self.why)
    }
}

/// The first thing a process does: refuses to run with the rights of a set-user-ID file, and puts into
/// effect the capabilities that it was given.
///
/// # Errors
/// The file is set-user-ID or set-group-ID, or the kernel refuses, which it does not in practice.
pub fn begin() -> anyhow::Result<()> {
    identity::refuse_set_id()?;
    capabilities::raise_permitted().context("cannot put the permitted capabilities into effect")
}

/// Gives up all privileges for good, but for what `calls` ask for beside what every run does. Returns
/// what this process is not allowed to give up, or the kernel has no way to give up.
///
/// Nothing can be opened afterwards: a file that is needed later must be open by now.
///
/// # Errors
/// The process has several threads, of which only this one would give anything up; or the kernel
/// refuses what it refuses nobody.
pub fn give_up(calls: &[Call]) -> anyhow::Result<Vec<Kept>> {
    ensure!(has_one_thread(), "there is more than one thread when privileges are given up; report this as a fault");
    // Before the user changes: whoever called sudo may trace their own processes.
    nix::sys::prctl::set_dumpable(false).context("cannot forbid to be traced")?;
    let mut kept = Vec::new();
    let needed = if calls.iter().any(Call::is_bpf) { capabilities::needed_by_bpf()? } else { None };
    kept.extend(needed.map(|capability| {
        Kept::new(capability.to_string(), "this kernel wants it for reading maps and programs that are open already")
    }));
    if needed.is_some() {
        // Where the rules cannot be set, a change of the user ID would take it.
        nix::sys::prctl::set_keepcaps(true).context("cannot keep a capability")?;
    }
    kept.extend(capabilities::empty_bounding_set());
    kept.extend(capabilities::lock_rules());
    kept.extend(identity::leave_root());
    capabilities::keep_only(needed).context("cannot drop capabilities")?;
    // Again: a change of the user sets it to what fs.suid_dumpable says.
    nix::sys::prctl::set_dumpable(false).context("cannot forbid to be traced")?;
    nix::sys::prctl::set_no_new_privs().context("cannot forbid new privileges")?;
    kept.extend(landlock::deny_files().context("cannot give up the file system")?);
    kept.extend(seccomp::allow_only(calls).context("cannot give up system calls")?);
    Ok(kept)
}

/// unshare(2) refuses this flag to a process with several threads, and does nothing in others. A container's seccomp
/// profile may refuse the call itself (Docker's does, without CAP_SYS_ADMIN): then /proc is asked.
fn has_one_thread() -> bool {
    match unshare(CloneFlags::CLONE_THREAD) {
        Ok(()) => true,
        Err(Errno::EINVAL) => false,
        Err(_) => fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn a_second_thread_is_noticed() {
        let (end, wait) = mpsc::channel::<()>();
        let second = thread::spawn(move || wait.recv());
        assert!(!has_one_thread());
        drop(end);
        let _ = second.join();
    }
}
