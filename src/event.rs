//! Records of the ring buffer to typed events.

/// A struct that any bytes of its size are a value of.
///
/// # Safety
/// No field restricts its bits (no bool, no enum, no reference), and all fields may be read whatever
/// the kernel side wrote.
pub unsafe trait Plain: Copy + 'static {}

/// Reads an event; `None` unless `bytes` has exactly its size. The bytes may be unaligned.
#[must_use]
pub fn decode<E: Plain>(bytes: &[u8]) -> Option<E> {
    (bytes.len() == size_of::<E>()).then(|| {
        // SAFETY: the size fits, and any bytes are a value of a Plain type.
        unsafe { bytes.as_ptr().cast::<E>().read_unaligned() }
    })
}
