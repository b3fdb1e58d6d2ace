//! A line under construction. Values are written into room that is there already. A vector asks for room at each
//! byte, and calls a function to copy a few: that was most of what a row cost.

use super::cell::ROOM;
use super::cell::Room;

/// A line, of which the bytes before its end count.
pub struct Line {
    bytes: Vec<u8>,
    end: usize,
}

impl Line {
    /// An empty line, with room for `len` bytes before it has to grow.
    pub fn new(len: usize) -> Self {
        Self { bytes: vec![b' '; len + ROOM], end: 0 }
    }

    /// Room for a value of usual length from `at` on, if there is any.
    #[inline]
    pub fn room(&mut self, at: usize) -> Option<&mut Room> {
        self.bytes.get_mut(at..)?.first_chunk_mut()
    }

    /// The same; the line grows where there is none.
    #[inline]
    pub fn grown_room(&mut self, at: usize) -> &mut Room {
        if self.bytes.len().saturating_sub(at) < ROOM {
            self.grow(at + ROOM);
        }
        self.bytes[at..].first_chunk_mut().expect("it has grown")
    }

    /// Sets where the line ends, after something was written into the [`room`](Self::room) before.
    #[inline]
    pub fn end_at(&mut self, end: usize) {
        self.end = end;
    }

    /// Makes the bytes from one place to another blank.
    #[cold]
    pub fn blank(&mut self, from: usize, to: usize) {
        if to > self.bytes.len() {
            self.grow(to);
        }
        self.bytes[from..to].fill(b' ');
    }

    /// Appends bytes of any number.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        if self.end + bytes.len() > self.bytes.len() {
            self.grow(self.end + bytes.len());
        }
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Appends what `write` writes into room for a value of usual length.
    #[inline]
    pub fn put(&mut self, write: impl FnOnce(&mut Room) -> usize) {
        let at = self.end;
        self.end = at + write(self.grown_room(at));
    }

    pub fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Appends the line and a newline to `out`, and begins the next.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.push(b"\n");
        out.extend_from_slice(&self.bytes[..self.end]);
        self.end = 0;
    }

    #[cold]
    fn grow(&mut self, len: usize) {
        self.bytes.resize(len.next_power_of_two(), b' ');
    }
}
