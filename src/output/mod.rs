//! Rows to bytes. A tool describes its rows by [`Column`]s (text) and [`Field`]s (JSON); the formats
//! here write them. Nothing in this module knows BPF, a backend or a tool.

mod addr;
mod alarm;
mod cell;
mod escape;
mod json;
mod sink;
mod text;
mod time;

use std::io::Write;

use cell::ROOM;
use cell::Room;
use nix::errno::Errno;

pub use json::Json;
pub use sink::GONE;
pub use sink::Sink;
pub use sink::Until;
pub use sink::Written;
pub use sink::whole_milliseconds;
pub use text::Text;

/// The name of a process as the kernel keeps it: up to the first NUL.
pub type Name = [u8; 16];

/// What one cell of a row can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// `-` in text, the key left out in JSON.
    Unknown,
    Number(u64),
    /// So many of so many: `3/128`.
    Ratio(u32, u32),
    /// An IPv4 address, network order.
    V4([u8; 4]),
    /// An IPv6 address, network order.
    V6([u8; 16]),
    /// The name of a process: bytes that the process chose itself, so they are escaped.
    Name(&'a Name),
    /// A short word of our own, in need of no escaping.
    Word(&'static str),
    /// An error by its name, `ECONNREFUSED` say.
    Errno(u16),
    /// A time span in nanoseconds: milliseconds with three decimals in text, as is in JSON.
    Nanoseconds(u64),
}

/// A column of the text format.
pub struct Column<E> {
    pub header: &'static str,
    /// The least width; longer values push the rest of the line to the right, as in bcc.
    pub width: usize,
    pub value: fn(&E) -> Value<'_>,
}

/// A key of the JSON format.
pub struct Field<E> {
    pub key: &'static str,
    pub value: fn(&E) -> Value<'_>,
}

/// Rows that are known to be missing, by cause, and what else may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// The ring buffer was full.
    pub ring: u64,
    /// A map was full.
    pub map: u64,
    /// Only one half of what makes a row was seen: a call without its return, say.
    pub half: u64,
    /// Runs of programs that the kernel skipped: so many rows may be missing besides.
    pub skipped: u64,
}

impl Losses {
    /// Rows that are known to be missing.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.ring + self.map + self.half
    }
}

/// How a run ended, for the last line of the JSON format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub rows: u64,
    /// Attempts whose outcome was still open; `None` where that could not be read.
    pub pending: Option<u64>,
}

/// A way to write rows. All methods append to `out`, whole lines only.
pub trait Format<E> {
    /// Once, when tracing has begun.
    fn header(&mut self, out: &mut Vec<u8>);

    /// One row. `ts` is its time on the boot clock, `wall_offset` what leads from there to the wall
    /// clock; both in nanoseconds.
    fn row(&mut self, event: &E, ts: u64, wall_offset: i64, out: &mut Vec<u8>);

    /// The losses so far, when they have grown and at the end. `now`: wall clock, nanoseconds.
    fn losses(&mut self, losses: &Losses, end: Option<End>, now: i64, out: &mut Vec<u8>);
}

fn errno(errno: u16, room: &mut Room, at: usize) -> usize {
    let mut rest = &mut room[at..];
    // No name is as long as the room.
    let _ = match Errno::from_raw(errno.into()) {
        Errno::UnknownErrno => write!(rest, "errno{errno}"),
        known => write!(rest, "{known:?}"),
    };
    ROOM - rest.len()
}
