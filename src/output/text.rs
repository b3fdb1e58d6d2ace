//! The text format: bcc's columns.

use super::Column;
use super::End;
use super::Format;
use super::Losses;
use super::Value;
use super::addr;
use super::cell::ROOM;
use super::cell::Room;
use super::cell::number;
use super::cell::put_all;
use super::cell::ratio;
use super::cell::room;
use super::cell::thousandths;
use super::errno;
use super::escape;
use super::time::WallClock;

const TIME_WIDTH: usize = 8;

/// The widest that a column can be.
const WIDEST: usize = 32;

/// Rows as a table: cells padded to their column's width and separated by a space; the last cell is
/// not padded.
pub struct Text<E> {
    columns: Vec<Column<E>>,
    show_header: bool,
    /// TIME: the wall clock.
    wall: Option<WallClock>,
    /// TIME(s): seconds since the first row.
    since_first: bool,
    first: Option<u64>,
    cells: Cells,
}

impl<E> Text<E> {
    /// A table of `columns`, after TIME (`wall`) and TIME(s) (`since_first`).
    #[must_use]
    pub fn new(columns: Vec<Column<E>>, show_header: bool, wall: bool, since_first: bool) -> Self {
        let widths = columns.iter().map(|column| column.width).chain([TIME_WIDTH; 2]);
        assert!(widths.clone().all(|width| width <= WIDEST));
        let cells = Cells::new(widths);
        Self { columns, show_header, wall: wall.then(WallClock::local_time), since_first, first: None, cells }
    }
}

impl<E> Format<E> for Text<E> {
    fn header(&mut self, out: &mut Vec<u8>) {
        if !self.show_header {
            return;
        }
        let times = [(self.wall.is_some(), "TIME"), (self.since_first, "TIME(s)")];
        let times = times.into_iter().filter_map(|(shown, header)| shown.then_some((TIME_WIDTH, header)));
        let columns = self.columns.iter().map(|column| (column.width, column.header));
        self.cells.begin();
        for (width, header) in times.chain(columns) {
            self.cells.add(width, |room| put_all(header.as_bytes(), room, 0));
        }
        self.cells.end(out);
    }

    fn row(&mut self, event: &E, ts: u64, wall_offset: i64, out: &mut Vec<u8>) {
        self.cells.begin();
        if let Some(wall) = &mut self.wall {
            let (time, _) = wall.at((ts as i64).wrapping_add(wall_offset));
            self.cells.add(TIME_WIDTH, |room| put_all(time.as_bytes(), room, 0));
        }
        if self.since_first {
            // Events of two CPUs can cross in the ring, so a later row may be older than the first.
            let since = ts.saturating_sub(*self.first.get_or_insert(ts));
            self.cells.add(TIME_WIDTH, |room| thousandths(since, 1_000_000_000, room, 0));
        }
        for column in &self.columns {
            self.cells.add(column.width, |room| cell((column.value)(event), room));
        }
        self.cells.end(out);
    }

    /// Stdout carries rows alone; the session tells stderr.
    fn losses(&mut self, _: &Losses, _: Option<End>, _: i64, _: &mut Vec<u8>) {}
}

/// Writes the value and returns how long it is.
fn cell(value: Value<'_>, room: &mut Room) -> usize {
    match value {
        Value::Unknown => put_all(b"-", room, 0),
        Value::Number(value) => number(value, room, 0),
        Value::Ratio(part, whole) => ratio(part, whole, room, 0),
        Value::V4(addr) => addr::v4(addr, room, 0),
        Value::V6(addr) => addr::v6(addr, room, 0),
        Value::Name(name) => escape::text(name, room, 0),
        Value::Word(word) => put_all(word.as_bytes(), room, 0),
        Value::Errno(number) => errno(number, room, 0),
        Value::Nanoseconds(span) => thousandths(span, 1_000_000, room, 0),
    }
}

/// The cells of a line, each with a space after it, padded to its column's width but for the last.
struct Cells {
    /// Long enough for any line.
    line: Vec<u8>,
    /// Where the last cell ends.
    end: usize,
    /// Where the next one begins.
    next: usize,
}

impl Cells {
    fn new(widths: impl Iterator<Item = usize>) -> Self {
        Self { line: vec![b' '; widths.map(|width| width.max(ROOM) + 1).sum()], end: 0, next: 0 }
    }

    fn begin(&mut self) {
        self.next = 0;
    }

    fn add(&mut self, width: usize, write: impl FnOnce(&mut Room) -> usize) {
        let room = room(&mut self.line, self.next);
        room[..WIDEST].fill(b' ');
        let len = write(room);
        self.end = self.next + len;
        self.line[self.end] = b' '; // left from a longer row, where this value is wider than WIDEST
        self.next += width.max(len) + 1;
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.line[self.end] = b'\n';
        out.extend_from_slice(&self.line[..=self.end]);
    }
}
