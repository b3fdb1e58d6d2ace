//! What the kernel side counts of rows that it had to give up.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use libbpf_rs::AsRawLibbpf;
use libbpf_rs::Object;
use libbpf_rs::libbpf_sys;

use crate::kernel::maps;
use crate::kernel::types::counters;

/// Reads the counters of a loaded object. A read of memory: no syscall, no capability.
///
/// # Errors
/// The object has no counters.
pub fn read(object: &Object) -> libbpf_rs::Result<counters> {
    const SECTION: &str = ".data.counters";
    let map = maps::find(object, SECTION)?;
    let mut size = 0;
    // SAFETY: the map belongs to a loaded object, and libbpf keeps its section mapped as long as that.
    let start = unsafe { libbpf_sys::bpf_map__initial_value(map.as_libbpf_object().as_ptr(), &raw mut size) };
    if start.is_null() || size as usize != size_of::<counters>() {
        return Err(maps::not_found(SECTION));
    }
    let start: *mut counters = start.cast();
    // SAFETY: mapped, page-aligned and of the right size; the programs add to it, hence atomics.
    let load = |counter: *mut u64| unsafe { AtomicU64::from_ptr(counter) }.load(Ordering::Relaxed);
    // SAFETY: the same; no reference to the whole is made.
    let [ring, map, untold, unfollowed, half] = unsafe {
        [
            &raw mut (*start).ring_full,
            &raw mut (*start).map_full,
            &raw mut (*start).untold,
            &raw mut (*start).unfollowed,
            &raw mut (*start).half_seen,
        ]
    };
    Ok(counters {
        ring_full: load(ring),
        map_full: load(map),
        untold: load(untold),
        unfollowed: load(unfollowed),
        half_seen: load(half),
    })
}
