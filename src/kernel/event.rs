//! Records of the ring buffer to typed events, and what all events begin with.

use crate::kernel::types::endpoints;
use crate::kernel::types::ends_filter;
use crate::kernel::types::net_v4;
use crate::kernel::types::net_v6;
use crate::kernel::types::options;
use crate::kernel::types::origin;
use crate::kernel::types::who_filter;

/// A struct that any bytes of its size are a value of.
///
/// # Safety
/// No field restricts its bits (no bool, no enum, no reference), and all fields may be read whatever
/// the kernel side wrote.
pub unsafe trait Plain: Copy + 'static {}

// SAFETY: an integer.
unsafe impl Plain for u32 {}
// SAFETY: an integer.
unsafe impl Plain for u64 {}
plain!(options, who_filter, ends_filter, net_v4, net_v6);

// SAFETY: bytes.
unsafe impl<const N: usize> Plain for [u8; N] {}

/// Looks at an event where it lies; `None` unless `bytes` has exactly its size and alignment.
#[must_use]
pub fn view<E: Plain>(bytes: &[u8]) -> Option<&E> {
    let event = bytes.as_ptr().cast::<E>();
    (bytes.len() == size_of::<E>() && event.is_aligned()).then(|| {
        // SAFETY: size and alignment fit, and any bytes are a value of a Plain type.
        unsafe { &*event }
    })
}

/// Copies an event out; `None` unless `bytes` has exactly its size. The bytes may be unaligned.
#[must_use]
pub fn decode<E: Plain>(bytes: &[u8]) -> Option<E> {
    (bytes.len() == size_of::<E>()).then(|| {
        // SAFETY: the size fits, and any bytes are a value of a Plain type.
        unsafe { bytes.as_ptr().cast::<E>().read_unaligned() }
    })
}

/// An event as the bytes of a record.
#[must_use]
pub fn bytes<E: Plain>(event: &E) -> &[u8] {
    // SAFETY: the kernel side's structs have no padding of the compiler's own, and any bytes can be read.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(event).cast(), size_of::<E>()) }
}

/// A record that is kept: aligned as an event has to be.
pub struct Kept {
    words: Box<[u64]>,
    len: usize,
}

impl Kept {
    #[must_use]
    pub fn new(record: &[u8]) -> Self {
        let word = |bytes: &[u8]| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_ne_bytes(word)
        };
        Self { words: record.chunks(8).map(word).collect(), len: record.len() }
    }

    #[must_use]
    pub fn record(&self) -> &[u8] {
        // SAFETY: there are at least as many bytes, and any of them can be read.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.len) }
    }
}

/// What every event begins with: `struct origin origin; struct endpoints ends;`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Head {
    pub origin: origin,
    pub ends: endpoints,
}

// SAFETY: integers and arrays of them.
unsafe impl Plain for Head {}

/// The head of a record. `None` where that is too short, or not aligned.
#[must_use]
pub fn head(record: &[u8]) -> Option<&Head> {
    view(record.get(..size_of::<Head>())?)
}

/// Takes the `event` of a tool's generated types for one: it begins with a head, as is found out at compile time.
macro_rules! event {
    ($types:ident) => {
        const _: () = {
            use crate::kernel::event::Head;
            use $types::event;
            assert!(std::mem::offset_of!(event, origin) == std::mem::offset_of!(Head, origin));
            assert!(std::mem::offset_of!(event, ends) == std::mem::offset_of!(Head, ends));
            assert!(size_of::<$types::origin>() == size_of::<crate::kernel::types::origin>());
            assert!(size_of::<$types::endpoints>() == size_of::<crate::kernel::types::endpoints>());
            assert!(size_of::<event>() >= size_of::<Head>());
        };
        // SAFETY: integers, arrays of them and enums, which are transparent; build.rs allows no padding.
        unsafe impl crate::kernel::event::Plain for $types::event {}
    };
}
pub(crate) use event;

/// Takes structs of the C side for ones that any bytes are a value of.
macro_rules! plain {
    ($($type:ty),+) => {
        // SAFETY: integers, arrays of them and enums, which are transparent, and pointers that are never followed; build.rs
        // allows no padding.
        $(unsafe impl crate::kernel::event::Plain for $type {})+
    };
}
pub(crate) use plain;
