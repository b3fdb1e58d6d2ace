//! The table: bcc's columns, for people and awk.

use super::Column;
use super::Value;
use super::Writer;
use super::addr;
use super::cell::Room;
use super::cell::hundredths;
use super::cell::number;
use super::cell::put_all;
use super::cell::ratio;
use super::cell::signed;
use super::cell::thousandths;
use super::errno;
use super::escape;
use super::flags;
use super::line::Line;
use super::time::WallClock;

/// The widest that a column can be; longer values push the rest of the line to the right, as in bcc.
const WIDEST: usize = 40;

/// Cells padded to their column's width and separated by a space; the last one is not padded.
pub struct Table {
    columns: Vec<Column>,
    widths: Vec<usize>,
    show_header: bool,
    clock: WallClock,
    line: Line,
    /// Where the next cell begins.
    next: usize,
    /// How many cells the line has.
    cells: usize,
}

impl Table {
    #[must_use]
    pub fn new(columns: Vec<Column>, show_header: bool) -> Self {
        assert!(columns.iter().all(|column| column.width <= WIDEST));
        let widths: Vec<_> = columns.iter().map(|column| column.width).collect();
        // Asking for the local zone reads files.
        let has_time = columns.iter().any(|column| column.is_time);
        let clock = if has_time { WallClock::local_time() } else { WallClock::utc_date_time() };
        let line = Line::new(widths.len() * (WIDEST + 1));
        Self { columns, widths, show_header, clock, line, next: 0, cells: 0 }
    }

    /// Room for the next cell, blank as far as a column can be wide, with the gap after it.
    #[inline]
    fn room(&mut self) -> &mut Room {
        let room = self.line.room(self.next);
        // Of a fixed size, which takes three instructions.
        if let Some(blank) = room.first_chunk_mut() {
            *blank = [b' '; WIDEST + 8];
        }
        room
    }

    /// A cell that may be longer than that room.
    #[cold]
    fn long(&mut self, escaped: &[u8]) {
        self.room();
        self.line.end_at(self.next);
        self.line.push(escaped);
        let width = self.widths[self.cells];
        self.line.push(&[b' '; WIDEST + 1][..(width + 1).saturating_sub(escaped.len()).max(1)]);
        self.close(escaped.len());
    }

    /// A cell of `len` bytes has been written.
    #[inline]
    fn close(&mut self, len: usize) {
        self.line.end_at(self.next + len);
        self.next += self.widths[self.cells].max(len) + 1;
        self.cells += 1;
    }
}

impl Writer for Table {
    fn header(&mut self, out: &mut Vec<u8>) {
        if self.show_header {
            for at in 0..self.columns.len() {
                let header = self.columns[at].header.clone();
                let len = put_all(header.as_bytes(), self.room(), 0);
                self.close(len);
            }
            self.end(out);
        }
    }

    #[inline]
    fn cell(&mut self, value: &Value<'_>) {
        let room = self.room();
        let len = match *value {
            Value::Unknown => put_all(b"-", room, 0),
            Value::Number(value) => number(value, room, 0),
            Value::V4(addr) => addr::v4(addr, room, 0),
            Value::V6(addr) => addr::v6(addr, room, 0),
            Value::Name(name) => escape::text(name, room, 0),
            Value::Word(word) => put_all(word.as_bytes(), room, 0),
            Value::Errno(number) => errno(number, room, 0),
            Value::Nanoseconds(span) => thousandths(span, 1_000_000, room, 0),
            Value::Seconds(span) => thousandths(span, 1_000_000_000, room, 0),
            Value::Signed(value) => signed(value, room, 0),
            Value::Ratio(part, whole) => ratio(part, whole, room, 0),
            Value::Flags(words, bits) => flags(words, bits, room, 0),
            Value::True => put_all(b"yes", room, 0),
            Value::Bytes(bytes) | Value::Rate(bytes) => hundredths(bytes, 1024, room, 0),
            Value::Time(wall) => {
                let time = self.clock.at(wall).0;
                put_all(time.as_bytes(), self.line.room(self.next), 0)
            }
            Value::Text(text) => return self.long(&escape::text_of_any_length(text)),
            Value::Json(json) => return self.long(&escape::text_of_any_length(json.as_bytes())),
        };
        // A wider value of an earlier row may have left something behind this one.
        if len > WIDEST {
            self.line.room(self.next)[len] = b' ';
        }
        self.close(len);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.line.finish(out);
        (self.next, self.cells) = (0, 0);
    }

    /// Stdout has rows alone.
    fn object(&mut self, _: &[(&str, Value<'_>)], _: &mut Vec<u8>) {}
}
