//! What a column wrote last. Rows come in bursts of one process and few addresses, so most cells are those of the
//! row before. To copy such a cell takes 15 instructions, to format a number takes 40 to 60, an address 80 to 250.

use super::cell::Room;
use super::value::Bits;
use super::value::Value;

/// The value of the row before and its text, with whatever stood behind it, `N` bytes in all.
pub struct Memo<const N: usize> {
    /// Never [`Bits::NONE`].
    bits: Bits,
    text: [u8; N],
    len: usize,
}

impl<const N: usize> Memo<N> {
    pub fn new() -> Self {
        Self { bits: Bits::OTHER, text: [b' '; N], len: 0 }
    }

    /// Writes the text again if the value is the same and there is room, and returns how long it is.
    #[inline]
    pub fn recall(&self, value: &Value<'_>, room: Option<&mut Room>) -> Option<usize> {
        if self.bits != value.bits() {
            return None;
        }
        *room?.first_chunk_mut()? = self.text;
        Some(self.len)
    }

    /// Keeps a text of `len` bytes for the next row, unless it is too long.
    #[inline]
    pub fn keep(&mut self, value: &Value<'_>, room: &Room, len: usize) {
        let bits = value.bits();
        if bits != Bits::NONE
            && len <= N
            && let Some(&text) = room.first_chunk()
        {
            *self = Self { bits, text, len };
        }
    }
}
