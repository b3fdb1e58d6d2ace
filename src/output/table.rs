//! The table: bcc's columns, for people and awk.

use super::Column;
use super::Value;
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
use super::memo::Memo;
use super::time::WallClock;

/// The widest that a column can be; longer values push the rest of the line to the right, as in bcc.
const WIDEST: usize = 40;

/// The widest column with the gap after it: a fixed size, which is copied in three instructions.
const CELL: usize = WIDEST + 8;

/// Cells padded to their column's width and separated by a space; the last one is not padded.
pub struct Table {
    columns: Vec<Column>,
    /// The width of each, and what it wrote last.
    cells: Vec<(usize, Memo<CELL>)>,
    show_header: bool,
    clock: WallClock,
    line: Line,
}

impl Table {
    pub fn new(columns: Vec<Column>, show_header: bool) -> Self {
        assert!(columns.iter().all(|column| column.width <= WIDEST));
        let cells: Vec<_> = columns.iter().map(|column| (column.width, Memo::new())).collect();
        // Asking for the local zone reads files.
        let has_time = columns.iter().any(|column| column.is_time);
        let clock = if has_time { WallClock::local_time() } else { WallClock::utc_date_time() };
        let line = Line::new(cells.len() * (WIDEST + 1));
        Self { columns, cells, show_header, clock, line }
    }

    pub fn header(&mut self, out: &mut Vec<u8>) {
        if self.show_header {
            let columns = std::mem::take(&mut self.columns);
            self.row(columns.iter().map(|column| Value::Header(&column.header)), out);
            self.columns = columns;
        }
    }

    /// The place in the line is kept in registers and not in the table, which saves 40 instructions for each row.
    #[inline]
    pub fn row<'a>(&mut self, values: impl Iterator<Item = Value<'a>>, out: &mut Vec<u8>) {
        let (mut next, mut end) = (0, 0);
        let mut cells = self.cells.iter_mut();
        values.for_each(|value| {
            let Some((width, memo)) = cells.next() else { return };
            let len = match memo.recall(&value, self.line.room(next)) {
                Some(len) => len,
                None => cell(&value, memo, &mut self.clock, &mut self.line, next),
            };
            end = next + len;
            next += len.max(*width) + 1;
            if len >= WIDEST {
                self.line.blank(end, next);
            }
        });
        self.line.end_at(end);
        self.line.finish(out);
    }
}

/// Writes a value with blanks after it, and returns how long it is.
#[inline(never)]
fn cell(value: &Value<'_>, memo: &mut Memo<CELL>, clock: &mut WallClock, line: &mut Line, at: usize) -> usize {
    let room = line.grown_room(at);
    if let Some(blank) = room.first_chunk_mut() {
        *blank = [b' '; CELL];
    }
    match short(value, clock, room) {
        Some(len) => {
            memo.keep(value, room, len);
            len
        }
        None => long(value, line, at),
    }
}

/// Writes a value into the room that there is, and returns how long it is; `None` where it may be longer.
#[inline]
fn short(value: &Value<'_>, clock: &mut WallClock, room: &mut Room) -> Option<usize> {
    Some(match *value {
        Value::Unknown => put_all(b"-", room, 0),
        Value::Number(value) => number(value, room, 0),
        Value::V4(addr) => addr::v4(addr, room, 0),
        Value::V6(addr) => addr::v6(addr, room, 0),
        Value::Name(name) => escape::table(name, room, 0),
        Value::Word(word) => put_all(word.as_bytes(), room, 0),
        Value::Errno(number) => errno(number, room, 0),
        Value::Nanoseconds(span) => thousandths(span, 1_000_000, room, 0),
        Value::Seconds(span) => thousandths(span, 1_000_000_000, room, 0),
        Value::Signed(value) => signed(value, room, 0),
        Value::Ratio(part, whole) => ratio(part, whole, room, 0),
        Value::Flags(words, bits) => flags(words, bits, room, 0),
        Value::True => put_all(b"yes", room, 0),
        Value::False => put_all(b"no", room, 0),
        Value::Bytes(bytes) | Value::Rate(bytes) => hundredths(bytes, 1024, room, 0),
        Value::Time(wall) => put_all(clock.at(wall).0, room, 0),
        Value::Text(_) | Value::Json(_) | Value::Header(_) => return None,
    })
}

#[cold]
fn long(value: &Value<'_>, line: &mut Line, at: usize) -> usize {
    let escaped = match *value {
        Value::Header(header) => header.as_bytes().to_vec(),
        Value::Text(text) => escape::table_of_any_length(text),
        Value::Json(json) => escape::table_of_any_length(json.as_bytes()),
        _ => Vec::new(),
    };
    line.end_at(at);
    line.push(&escaped);
    escaped.len()
}
