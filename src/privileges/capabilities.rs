//! Which capabilities tracing needs, and giving them up.

use caps::CapSet;
use caps::Capability;
use caps::CapsHashSet;
use caps::errors::CapsError;
use libbpf_rs::libbpf_sys;
use nix::errno::Errno;
use nix::libc;

use super::Kept;

/// The capabilities that every backend needs and this process lacks. CAP_SYS_ADMIN stands for both,
/// as it did before 5.8.
#[must_use]
pub fn missing() -> Vec<Capability> {
    if has(Capability::CAP_SYS_ADMIN) {
        return Vec::new();
    }
    [Capability::CAP_BPF, Capability::CAP_PERFMON].into_iter().filter(|&capability| !has(capability)).collect()
}

/// Whether this process may use `capability` now.
#[must_use]
pub fn has(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false)
}

/// Puts into effect what is permitted: a file with `cap_bpf,cap_perfmon+p` gives no more than that.
pub fn raise_permitted() -> Result<(), CapsError> {
    let permitted = caps::read(None, CapSet::Permitted)?;
    caps::set(None, CapSet::Effective, &permitted)
}

/// The capability without which bpf(2) refuses to read even what is open already, if there is one. Kernels before 5.19
/// refuse that if kernel.unprivileged_bpf_disabled is set. To find out, we drop all capabilities for a moment and ask for an
/// entry of a map that does not exist: EBADF means that no capability is needed.
pub fn needed_by_bpf() -> Result<Option<Capability>, CapsError> {
    let effective = caps::read(None, CapSet::Effective)?;
    caps::clear(None, CapSet::Effective)?;
    // SAFETY: the kernel reads no more than the attributes, and they name no map.
    let error = unsafe { libbpf_sys::bpf_map_lookup_elem(-1, std::ptr::null(), std::ptr::null_mut()) };
    caps::set(None, CapSet::Effective, &effective)?;
    let either = [Capability::CAP_BPF, Capability::CAP_SYS_ADMIN];
    Ok(either.into_iter().find(|capability| error == -libc::EPERM && effective.contains(capability)))
}

/// Afterwards no program that this process could start would gain a capability by its file.
pub fn empty_bounding_set() -> Option<Kept> {
    const WHAT: &str = "the bounding set of capabilities";
    for number in 0.. {
        if prctl(libc::PR_CAPBSET_READ, number).is_err() {
            break; // the kernel's last one was the one before
        }
        if let Err(error) = prctl(libc::PR_CAPBSET_DROP, number) {
            return Some(Kept::refused(WHAT, Capability::CAP_SETPCAP, error));
        }
    }
    None
}

/// Afterwards user ID 0 gives no capabilities, and a change of the user ID takes none. Neither can be changed back.
pub fn lock_rules() -> Option<Kept> {
    let bits = libc::SECBIT_NOROOT
        | libc::SECBIT_NOROOT_LOCKED
        | libc::SECBIT_NO_SETUID_FIXUP
        | libc::SECBIT_NO_SETUID_FIXUP_LOCKED
        | libc::SECBIT_KEEP_CAPS_LOCKED
        | libc::SECBIT_NO_CAP_AMBIENT_RAISE
        | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    let error = prctl(libc::PR_SET_SECUREBITS, bits as libc::c_ulong).err()?;
    Some(Kept::refused("what user 0 means to capabilities", Capability::CAP_SETPCAP, error))
}

/// Drops every capability but `keep`.
pub fn keep_only(keep: Option<Capability>) -> Result<(), CapsError> {
    let keep: CapsHashSet = keep.into_iter().collect();
    caps::clear(None, CapSet::Ambient)?;
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Effective, &keep)?;
    caps::set(None, CapSet::Permitted, &keep)
}

fn prctl(option: libc::c_int, argument: libc::c_ulong) -> nix::Result<()> {
    let none: libc::c_ulong = 0;
    // SAFETY: the options of this module take a number, and touch no memory.
    Errno::result(unsafe { libc::prctl(option, argument, none, none, none) }).map(drop)
}
