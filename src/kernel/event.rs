//! Records of the ring buffer to typed events, and what all events begin with.

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

/// struct origin and struct endpoints of bpf/event.h and bpf/endpoints.h, field by field.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Head {
    /// Boot clock, nanoseconds.
    pub ts: u64,
    pub cgroup_id: u64,
    /// As the tool's own PID namespace has it; 0 where the process is not visible there.
    pub pid: u32,
    pub tid: u32,
    pub uid: u32,
    pub comm: [u8; 16],
    unused: [u8; 4],
    /// Local, network order; an IPv4 address has the first four bytes.
    pub saddr: [u8; 16],
    /// The peer's.
    pub daddr: [u8; 16],
    /// Host order; 0: not known.
    pub sport: u16,
    pub dport: u16,
    /// 4 or 6.
    pub ip: u8,
    /// Not 0 where daddr and dport are what the peer has.
    pub daddr_known: u8,
}

// SAFETY: integers and arrays of them.
unsafe impl Plain for Head {}

/// What every event begins with: `struct origin origin; struct endpoints ends;`. `None` where `record` is too
/// short, or not aligned.
#[must_use]
pub fn head(record: &[u8]) -> Option<&Head> {
    view(record.get(..size_of::<Head>())?)
}
