//! The reading end of a BPF ring buffer, mapped: reading takes no syscall and no copy.
//!
//! libbpf's own reader calls a C function for each record and publishes its position each time, which the kernel's
//! writers then have to fetch from our cache. Here the position is published once for each batch.

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

use crate::kernel::maps;

/// The first word of a record: its length and two flags (uapi/linux/bpf.h).
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const HEADER: usize = 8;

/// What a read took from the ring, and why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    pub records: usize,
    pub bytes: usize,
    pub stopped: Stopped,
}

/// Why a read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// There is no more.
    Empty,
    /// A program has room in the ring that it has not filled yet. What lies behind it waits, too.
    Busy,
    /// `take` has had enough, or the limit is reached.
    Enough,
    /// A length reaches beyond what was written: this is no ring buffer.
    Damaged,
}

/// The records of a ring buffer: its bytes twice in a row, so that one that wraps around the end is
/// contiguous.
#[derive(Debug, Clone, Copy)]
pub struct Records {
    start: NonNull<u8>,
    /// A power of two.
    size: usize,
}

impl Records {
    /// # Safety
    /// `start` is aligned to 8 bytes, and 2 × `size` bytes from it can be read as long as this lives.
    /// Nobody else writes to a record that is not busy and lies between the positions of a read.
    #[must_use]
    pub unsafe fn new(start: NonNull<u8>, size: usize) -> Self {
        Self { start, size }
    }

    /// Passes up to `limit` of the records between the positions `from` and `to` to `take`, oldest
    /// first, until it says false.
    pub fn read(&self, from: usize, to: usize, limit: usize, mut take: impl FnMut(&[u8]) -> bool) -> Read {
        let mut position = from;
        let mut records = 0;
        let stopped = loop {
            if records == limit {
                break Stopped::Enough;
            }
            if position >= to {
                break Stopped::Empty;
            }
            let (header, len) = self.header(position);
            if header & BUSY != 0 {
                break Stopped::Busy;
            }
            let next = position + space(len);
            if next > to || len > self.size {
                break Stopped::Damaged;
            }
            position = next;
            if header & DISCARDED != 0 {
                continue;
            }
            records += 1;
            // SAFETY: it lies within the ring, is complete (not busy), and nobody touches it again
            // before the caller has published a position past it.
            if !take(unsafe { std::slice::from_raw_parts(self.at(next - space(len)).add(HEADER).as_ptr(), len) }) {
                break Stopped::Enough;
            }
        };
        Read { records, bytes: position - from, stopped }
    }

    /// The flags and the length of the record at `position`.
    fn header(&self, position: usize) -> (u32, usize) {
        // SAFETY: records begin at multiples of 8 bytes, and the word lies within the ring. A program
        // may be about to clear the busy flag, hence the atomic.
        let header = unsafe { self.at(position).cast::<AtomicU32>().as_ref() }.load(Ordering::Acquire);
        (header, (header & !(BUSY | DISCARDED)) as usize)
    }

    fn at(&self, position: usize) -> NonNull<u8> {
        // SAFETY: below `size`, and twice as much can be read.
        unsafe { self.start.add(position % self.size) }
    }
}

/// What a record of `len` bytes takes of the ring.
fn space(len: usize) -> usize {
    (len + HEADER).next_multiple_of(8)
}

/// A mapped ring buffer.
pub struct Ring {
    fd: OwnedFd,
    page: usize,
    /// One page, ours to write: the position up to which we have read.
    consumer: NonNull<c_void>,
    /// One page, the kernel's position, and then the records.
    producer: NonNull<c_void>,
    records: Records,
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
        // SAFETY: the kernel maps the records twice after the page of its position; it writes to none
        // that is not busy before we have published a position past it.
        let records = unsafe { Records::new(producer.cast::<u8>().add(page), size) };
        Ok(Self { fd, page, consumer, producer, records })
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn size(&self) -> usize {
        self.records.size
    }

    /// Passes up to `limit` records to `take`, oldest first, until it says false.
    pub fn read(&self, limit: usize, take: impl FnMut(&[u8]) -> bool) -> Read {
        let (consumer, producer) = self.positions();
        let start = consumer.load(Ordering::Relaxed);
        let read = self.records.read(start, producer.load(Ordering::Acquire), limit, take);
        consumer.store(start + read.bytes, Ordering::Release);
        read
    }

    /// Passes over a record that is not complete, where [`read`](Self::read) stopped because of it.
    /// Nothing may be sent to the ring any more: the place would be given to another record.
    pub fn pass_over_busy(&self) {
        let (consumer, _) = self.positions();
        let start = consumer.load(Ordering::Relaxed);
        let (_, len) = self.records.header(start);
        consumer.store(start + space(len), Ordering::Release);
    }

    /// Ours and the kernel's.
    fn positions(&self) -> (&AtomicUsize, &AtomicUsize) {
        // SAFETY: both are the first word of their page, aligned, mapped as long as self.
        unsafe { (self.consumer.cast::<AtomicUsize>().as_ref(), self.producer.cast::<AtomicUsize>().as_ref()) }
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
        let _ = unsafe { munmap(self.producer, self.page + 2 * self.size()) };
    }
}

fn map_pages(fd: &OwnedFd, len: usize, access: ProtFlags, offset: usize) -> io::Result<NonNull<c_void>> {
    let len = NonZeroUsize::new(len).ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: a new mapping at a place of the kernel's choice overlaps nothing.
    Ok(unsafe { mmap(None, len, access, MapFlags::MAP_SHARED, fd, offset as i64) }?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 64;

    /// A ring of 64 bytes as the kernel would map it, with these records from position 0 on, each with
    /// the flags of its header; and the position after the last.
    struct Image {
        words: Vec<u64>,
        end: usize,
    }

    impl Image {
        fn new(start: usize, records: &[(u32, &[u8])]) -> Self {
            let mut ring = [0; SIZE];
            let mut end = start;
            for (flags, bytes) in records {
                let header = (flags | bytes.len() as u32).to_ne_bytes();
                for (at, byte) in header.iter().chain(&[0; 4]).chain(*bytes).enumerate() {
                    ring[(end + at) % SIZE] = *byte;
                }
                end += space(bytes.len());
            }
            let twice = [ring, ring].concat();
            let words = twice.as_chunks().0.iter().map(|&word| u64::from_ne_bytes(word)).collect();
            Self { words, end }
        }

        fn read(&mut self, from: usize, limit: usize) -> (Read, Vec<Vec<u8>>) {
            // SAFETY: aligned as u64, twice as long as said, and nobody else has it.
            let records = unsafe { Records::new(NonNull::from(&mut self.words[..]).cast(), SIZE) };
            let mut taken = Vec::new();
            let read = records.read(from, self.end, limit, |record| {
                taken.push(record.to_vec());
                true
            });
            (read, taken)
        }
    }

    #[test]
    fn reads_up_to_the_end() {
        let mut image = Image::new(0, &[(0, b"one"), (DISCARDED, b"not this"), (0, b"three")]);
        let (read, taken) = image.read(0, 9);
        assert_eq!(taken, [b"one".to_vec(), b"three".to_vec()]);
        assert_eq!(read, Read { records: 2, bytes: image.end, stopped: Stopped::Empty });
        assert_eq!(image.read(image.end, 9).0, Read { records: 0, bytes: 0, stopped: Stopped::Empty });
    }

    #[test]
    fn a_record_wraps_around_the_end() {
        let mut image = Image::new(SIZE - 16, &[(0, b"0123456789abcdefghij")]);
        assert_eq!(image.read(SIZE - 16, 9).1, [b"0123456789abcdefghij".to_vec()]);
    }

    #[test]
    fn a_busy_record_stops_it_and_so_does_the_limit() {
        let mut image = Image::new(0, &[(0, b"one"), (BUSY, b"two"), (0, b"three")]);
        assert_eq!(image.read(0, 9).0, Read { records: 1, bytes: 16, stopped: Stopped::Busy });
        assert_eq!(image.read(0, 1).0, Read { records: 1, bytes: 16, stopped: Stopped::Enough });
        assert_eq!(image.read(32, 9).1, [b"three".to_vec()]);
    }

    #[test]
    fn a_length_beyond_the_end_is_no_record() {
        let mut image = Image::new(0, &[(0, b"one"), (0, b"two")]);
        image.end -= 8;
        assert_eq!(image.read(0, 9).0, Read { records: 1, bytes: 16, stopped: Stopped::Damaged });
    }
}
