//! The reading end of a BPF ring buffer, mapped: reading takes no syscall and no copy.
//!
//! libbpf's own reader calls back through a C function for each record and publishes its position
//! as often, which the kernel's writers then have to fetch from our cache. Here it is once a batch.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use libbpf_rs::MapCore;
use libbpf_rs::Object;
use nix::sys::mman::MapFlags;
use nix::sys::mman::ProtFlags;
use nix::sys::mman::mmap;
use nix::sys::mman::munmap;

use crate::maps;

/// The first word of a record: its length and two flags (uapi/linux/bpf.h).
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const HEADER: usize = 8;

/// A mapped ring buffer.
pub struct Ring {
    fd: OwnedFd,
    size: usize,
    page: usize,
    /// One page, ours to write: the position up to which we have read.
    consumer: NonNull<c_void>,
    /// One page, the kernel's position, and then the records, twice in a row, so that one which
    /// wraps around the end is contiguous.
    producer: NonNull<c_void>,
}

impl Ring {
    /// Maps the ring buffer `name` of a loaded object.
    ///
    /// # Errors
    /// The object has no such ring buffer, or there is no memory to map it.
    pub fn open(object: &Object, name: &str) -> io::Result<Self> {
        let map = maps::find(object, name).map_err(io::Error::other)?;
        let fd = map.as_fd().try_clone_to_owned()?;
        let size = map.max_entries() as usize;
        let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?.unwrap_or(4096) as usize;
        let consumer = map_pages(&fd, page, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, 0)?;
        let producer = map_pages(&fd, page + 2 * size, ProtFlags::PROT_READ, page)?;
        Ok(Self { fd, size, page, consumer, producer })
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Passes up to `limit` records to `take`, oldest first, until it says false. Returns how many
    /// were taken and how many bytes of the ring they had.
    pub fn read(&self, limit: usize, mut take: impl FnMut(&[u8]) -> bool) -> (usize, usize) {
        // SAFETY: both positions are the first word of their page, aligned, mapped as long as self.
        let (consumer, producer) =
            unsafe { (self.consumer.cast::<AtomicUsize>().as_ref(), self.producer.cast::<AtomicUsize>().as_ref()) };
        let start = consumer.load(Ordering::Relaxed);
        let end = producer.load(Ordering::Acquire);
        let mut position = start;
        let mut records = 0;
        let mut more = true;
        while more && records < limit && position < end {
            // SAFETY: the data begins a page after the kernel's position and is mapped twice, so
            // from an offset below `size` a whole record can be read.
            let record = unsafe { self.producer.cast::<u8>().add(self.page + position % self.size) };
            // SAFETY: records begin at multiples of 8 bytes.
            let header = unsafe { record.cast::<AtomicU32>().as_ref() }.load(Ordering::Acquire);
            if header & BUSY != 0 {
                break;
            }
            let len = (header & !DISCARDED) as usize;
            if header & DISCARDED == 0 {
                // SAFETY: the record is complete (not busy), and the kernel does not touch it again
                // before our position has passed it.
                more = take(unsafe { std::slice::from_raw_parts(record.add(HEADER).as_ptr(), len) });
                records += 1;
            }
            position += (len + HEADER).next_multiple_of(8);
        }
        consumer.store(position, Ordering::Release);
        (records, position - start)
    }
}

impl AsFd for Ring {
    /// Readable when the ring has records.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: mapped in `open`, and every reference into the mappings has ended.
        let _ = unsafe { munmap(self.consumer, self.page) };
        // SAFETY: as above.
        let _ = unsafe { munmap(self.producer, self.page + 2 * self.size) };
    }
}

fn map_pages(fd: &OwnedFd, len: usize, access: ProtFlags, offset: usize) -> io::Result<NonNull<c_void>> {
    let len = NonZeroUsize::new(len).ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: a new mapping at a place of the kernel's choice overlaps nothing.
    Ok(unsafe { mmap(None, len, access, MapFlags::MAP_SHARED, fd, offset as i64) }?)
}
