//! The maps and sections that the C side shares with the session, found by name in any tool's object.

use std::ffi::OsStr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use libbpf_rs::AsRawLibbpf;
use libbpf_rs::Map;
use libbpf_rs::MapCore;
use libbpf_rs::Object;
use libbpf_rs::OpenMapMut;
use libbpf_rs::OpenObject;
use libbpf_rs::libbpf_sys;

use crate::output::Losses;

fn not_found(name: &str) -> libbpf_rs::Error {
    std::io::Error::other(format!("the BPF object has no map {name}")).into()
}

fn find_open<'obj>(object: &'obj mut OpenObject, name: &str) -> libbpf_rs::Result<OpenMapMut<'obj>> {
    object.maps_mut().find(|map| map.name() == OsStr::new(name)).ok_or_else(|| not_found(name))
}

/// The map called `name`.
///
/// # Errors
/// The object has no such map.
pub fn find<'obj>(object: &'obj Object, name: &str) -> libbpf_rs::Result<Map<'obj>> {
    object.maps().find(|map| map.name() == OsStr::new(name)).ok_or_else(|| not_found(name))
}

/// Fills a section of constants (`.rodata.NAME`), before load.
///
/// # Errors
/// The object has no such section, or not of that size.
pub fn set_constant(object: &mut OpenObject, section: &str, bytes: &[u8]) -> libbpf_rs::Result<()> {
    let mut map = find_open(object, section)?;
    let value = map.initial_value_mut().ok_or_else(|| not_found(section))?;
    if value.len() != bytes.len() {
        return Err(
            std::io::Error::other(format!("section {section} has {} bytes, not {}", value.len(), bytes.len())).into()
        );
    }
    value.copy_from_slice(bytes);
    Ok(())
}

/// Sets how many entries (of a ring buffer: bytes) a map has, before load.
///
/// # Errors
/// The object has no such map.
pub fn set_size(object: &mut OpenObject, name: &str, size: u32) -> libbpf_rs::Result<()> {
    find_open(object, name)?.set_max_entries(size)
}

/// struct counters of bpf/emit.h, which the programs add to while it is read here.
#[repr(C)]
struct Counters {
    ring_full: AtomicU64,
    map_full: AtomicU64,
    missed: AtomicU64,
}

/// What the kernel side had to give up so far. A read of memory: no syscall, no capability.
///
/// # Errors
/// The object has no counters.
pub fn losses(object: &Object) -> libbpf_rs::Result<Losses> {
    const SECTION: &str = ".data.counters";
    let map = find(object, SECTION)?;
    let mut size = 0;
    // SAFETY: the map belongs to a loaded object, and libbpf keeps its section mapped as long as that.
    let start = unsafe { libbpf_sys::bpf_map__initial_value(map.as_libbpf_object().as_ptr(), &raw mut size) };
    if start.is_null() || size as usize != size_of::<Counters>() {
        return Err(not_found(SECTION));
    }
    // SAFETY: mapped, page-aligned and of the right size; written by others, hence atomics.
    let counters = unsafe { &*start.cast::<Counters>() };
    Ok(Losses {
        ring: counters.ring_full.load(Ordering::Relaxed),
        map: counters.map_full.load(Ordering::Relaxed),
        missed: counters.missed.load(Ordering::Relaxed),
    })
}
