//! Which capabilities tracing needs, and giving up all of them once the programs are attached.

use anyhow::Context;
use caps::CapSet;
use caps::Capability;
use caps::CapsHashSet;

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

/// Drops every capability for good, but for CAP_BPF where `keep_bpf`: kernels before 5.18 want it
/// for reading a hash map even through an open descriptor.
///
/// # Errors
/// The kernel refuses, which it does not in practice.
pub fn drop_unneeded(keep_bpf: bool) -> anyhow::Result<()> {
    let mut keep = CapsHashSet::new();
    if keep_bpf && caps::has_cap(None, CapSet::Permitted, Capability::CAP_BPF)? {
        keep.insert(Capability::CAP_BPF);
    }
    (|| {
        caps::clear(None, CapSet::Ambient)?;
        caps::clear(None, CapSet::Inheritable)?;
        caps::set(None, CapSet::Effective, &keep)?;
        caps::set(None, CapSet::Permitted, &keep)
    })()
    .context("cannot drop capabilities")?;
    nix::sys::prctl::set_no_new_privs().context("cannot forbid new privileges")
}
