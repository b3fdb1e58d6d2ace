//! The maps and sections that the C side shares with user space, found by name in any tool's object.

use std::ffi::OsStr;
use std::ffi::c_void;
use std::io;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::time::Instant;

use libbpf_rs::AsRawLibbpf;
use libbpf_rs::Map;
use libbpf_rs::MapCore;
use libbpf_rs::Object;
use libbpf_rs::OpenMapMut;
use libbpf_rs::OpenObject;
use libbpf_rs::libbpf_sys;
use nix::errno::Errno;

use crate::kernel::event;
use crate::kernel::event::Plain;

pub(super) fn not_found(name: &str) -> libbpf_rs::Error {
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

/// Sets the struct of constants in a section (`.rodata.NAME`), before load.
///
/// # Errors
/// The object has no such section, or not of that size.
pub fn set_constants<T: Plain>(object: &mut OpenObject, section: &str, value: &T) -> libbpf_rs::Result<()> {
    set_bytes(object, section, event::bytes(value))
}

/// Fills a section of constants.
///
/// # Errors
/// The object has no such section, or not of that size.
pub fn set_bytes(object: &mut OpenObject, section: &str, bytes: &[u8]) -> libbpf_rs::Result<()> {
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

/// Leaves a map out, before load. No program that is loaded may use it: in code that constants rule out it does not matter.
///
/// # Errors
/// The object has no such map.
pub fn leave_out(object: &mut OpenObject, name: &str) -> libbpf_rs::Result<()> {
    find_open(object, name)?.set_autocreate(false)
}

/// Entries that one system call reads, which bounds the memory for them; but a bucket is read as a whole.
const BATCH: usize = 1024;

/// Passes every entry of a hash or an array to `take`. Nothing else may change the map meanwhile.
///
/// # Errors
/// The kernel refuses to read the map, which is never the same as an empty one; or `deadline` has passed.
pub fn entries<K: Plain, V: Plain>(
    object: &Object,
    name: &str,
    deadline: Instant,
    take: impl FnMut(K, V),
) -> io::Result<()> {
    read(object, name, libbpf_sys::bpf_map_lookup_batch, deadline, take)
}

/// The same, and takes them out of the map, which is a hash.
///
/// # Errors
/// As of [`entries`].
pub fn take_entries<K: Plain, V: Plain>(
    object: &Object,
    name: &str,
    deadline: Instant,
    take: impl FnMut(K, V),
) -> io::Result<()> {
    read(object, name, libbpf_sys::bpf_map_lookup_and_delete_batch, deadline, take)
}

/// One of libbpf's functions for many entries at a time.
type Batch = unsafe extern "C" fn(
    i32,
    *mut c_void,
    *mut c_void,
    *mut c_void,
    *mut c_void,
    *mut u32,
    *const libbpf_sys::bpf_map_batch_opts,
) -> i32;

fn read<K: Plain, V: Plain>(
    object: &Object,
    name: &str,
    batch: Batch,
    deadline: Instant,
    mut take: impl FnMut(K, V),
) -> io::Result<()> {
    let map = find(object, name).map_err(io::Error::other)?;
    let fd = map.as_fd().as_raw_fd();
    let (key_size, value_size) = (size_of::<K>(), size_of::<V>());
    if (map.key_size() as usize, map.value_size() as usize) != (key_size, value_size) {
        return Err(io::Error::other(format!("the map {name} has entries of another size")));
    }
    let mut room = BATCH.min(map.max_entries() as usize);
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    // The kernel's own notes of how far it has come, at most as long as a key.
    let mut place: Option<[u64; 2]> = None;
    loop {
        if Instant::now() >= deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("the map {name} takes too long to read")));
        }
        keys.resize(room * key_size, 0_u8);
        values.resize(room * value_size, 0_u8);
        let (mut count, mut next) = (room as u32, [0_u64; 2]);
        // SAFETY: there is room for `count` keys and values, and for the place, in which no key is longer.
        let result = unsafe {
            batch(
                fd,
                place.as_mut().map_or(std::ptr::null_mut(), |place| place.as_mut_ptr().cast()),
                next.as_mut_ptr().cast(),
                keys.as_mut_ptr().cast(),
                values.as_mut_ptr().cast(),
                &raw mut count,
                std::ptr::null(),
            )
        };
        let ended = match Errno::from_raw(-result) {
            Errno::ENOENT => true,
            Errno::ENOSPC => {
                room *= 2;
                continue;
            }
            error if result < 0 => return Err(error.into()),
            _ => false,
        };
        let count = count as usize;
        let pairs = keys.chunks_exact(key_size).zip(values.chunks_exact(value_size)).take(count);
        for (key, value) in pairs.filter_map(|(key, value)| event::decode(key).zip(event::decode(value))) {
            take(key, value);
        }
        if ended {
            return Ok(());
        }
        place = Some(next);
    }
}

/// A section of variables, as it lies in the memory of the kernel, where programs change it: mapped as long as the object is
/// loaded, and aligned to a page.
///
/// # Errors
/// The object has no such section, or not of that size.
pub fn mapped<T>(object: &Object, section: &str) -> libbpf_rs::Result<*mut T> {
    let map = find(object, section)?;
    let mut size = 0;
    // SAFETY: the map belongs to a loaded object.
    let start = unsafe { libbpf_sys::bpf_map__initial_value(map.as_libbpf_object().as_ptr(), &raw mut size) };
    if start.is_null() || size as usize != size_of::<T>() { Err(not_found(section)) } else { Ok(start.cast()) }
}
