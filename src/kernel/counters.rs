//! What the kernel side counts of rows that it had to give up.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use libbpf_rs::Object;

use crate::kernel::maps;
use crate::kernel::types::counters;

/// Reads the counters of a loaded object. A read of memory: no syscall, no capability.
///
/// # Errors
/// The object has no counters.
pub fn read(object: &Object) -> libbpf_rs::Result<counters> {
    let start = maps::mapped::<counters>(object, ".data.counters")?;
    // SAFETY: mapped, page-aligned and of the right size; the programs add to it, hence atomics.
    let load = |counter: *mut u64| unsafe { AtomicU64::from_ptr(counter) }.load(Ordering::Relaxed);
    // SAFETY: the same; no reference to the whole is made.
    let [ring, map, untold, incomplete, unfollowed, half] = unsafe {
        [
            &raw mut (*start).ring_full,
            &raw mut (*start).map_full,
            &raw mut (*start).untold,
            &raw mut (*start).incomplete,
            &raw mut (*start).unfollowed,
            &raw mut (*start).half_seen,
        ]
    };
    Ok(counters {
        ring_full: load(ring),
        map_full: load(map),
        untold: load(untold),
        incomplete: load(incomplete),
        unfollowed: load(unfollowed),
        half_seen: load(half),
    })
}
