//! What the kernel side counts of rows that it had to give up.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use libbpf_rs::Object;

use crate::kernel::maps;

/// struct counters of bpf/emit.h, which the programs add to while it is read here.
#[repr(C)]
struct Counters {
    ring_full: AtomicU64,
    map_full: AtomicU64,
    half_seen: AtomicU64,
}

/// What the kernel side had to give up so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub ring_full: u64,
    pub map_full: u64,
    pub half_seen: u64,
}

/// Reads the counters of a loaded object. A read of memory: no syscall, no capability.
///
/// # Errors
/// The object has no counters.
pub fn read(object: &Object) -> libbpf_rs::Result<Counted> {
    // SAFETY: atomics.
    let counters = unsafe { maps::mapped::<Counters>(object, ".data.counters")? };
    Ok(Counted {
        ring_full: counters.ring_full.load(Ordering::Relaxed),
        map_full: counters.map_full.load(Ordering::Relaxed),
        half_seen: counters.half_seen.load(Ordering::Relaxed),
    })
}
