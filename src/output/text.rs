//! The text format: bcc's columns.

use super::Column;
use super::End;
use super::Format;
use super::Losses;
use super::Value;
use super::addr;
use super::escape;
use super::push_errno;
use super::push_ratio;
use super::time::WallClock;
use super::time::push_number;
use super::time::push_thousandths;

const TIME_WIDTH: usize = 8;

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
}

impl<E> Text<E> {
    /// A table of `columns`, after TIME (`wall`) and TIME(s) (`since_first`).
    #[must_use]
    pub fn new(columns: Vec<Column<E>>, show_header: bool, wall: bool, since_first: bool) -> Self {
        Self { columns, show_header, wall: wall.then(WallClock::local_time), since_first, first: None }
    }
}

impl<E> Format<E> for Text<E> {
    fn header(&mut self, out: &mut Vec<u8>) {
        if !self.show_header {
            return;
        }
        let mut line = Line::new(out);
        if self.wall.is_some() {
            line.cell(TIME_WIDTH, |out| out.extend_from_slice(b"TIME"));
        }
        if self.since_first {
            line.cell(TIME_WIDTH, |out| out.extend_from_slice(b"TIME(s)"));
        }
        for column in &self.columns {
            line.cell(column.width, |out| out.extend_from_slice(column.header.as_bytes()));
        }
        line.end();
    }

    fn row(&mut self, event: &E, ts: u64, wall_offset: i64, out: &mut Vec<u8>) {
        let mut line = Line::new(out);
        if let Some(wall) = &mut self.wall {
            let (time, _) = wall.at((ts as i64).wrapping_add(wall_offset));
            line.cell(TIME_WIDTH, |out| out.extend_from_slice(time.as_bytes()));
        }
        if self.since_first {
            // Events of two CPUs can cross in the ring, so a later row may be older than the first.
            let since = ts.saturating_sub(*self.first.get_or_insert(ts));
            line.cell(TIME_WIDTH, |out| push_thousandths(since, 1_000_000_000, out));
        }
        for column in &self.columns {
            line.cell(column.width, |out| push((column.value)(event), out));
        }
        line.end();
    }

    /// Stdout carries rows alone; the session tells stderr.
    fn losses(&mut self, _: &Losses, _: Option<End>, _: i64, _: &mut Vec<u8>) {}
}

fn push(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Unknown => out.push(b'-'),
        Value::Number(number) => push_number(number, out),
        Value::Ratio(part, whole) => push_ratio(part, whole, out),
        Value::V4(addr) => out.extend_from_slice(addr::v4(addr).as_ref()),
        Value::V6(addr) => out.extend_from_slice(addr::v6(addr).as_ref()),
        Value::Name(name) => escape::push_text(name, out),
        Value::Word(word) => out.extend_from_slice(word.as_bytes()),
        Value::Errno(errno) => push_errno(errno, out),
        Value::Nanoseconds(span) => push_thousandths(span, 1_000_000, out),
    }
}

/// One line under construction. A cell is padded only when the next one comes.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    /// Where the next cell begins at the earliest; `None` before the first cell.
    next: Option<usize>,
}

impl<'a> Line<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, next: None }
    }

    fn cell(&mut self, width: usize, push: impl FnOnce(&mut Vec<u8>)) {
        if let Some(next) = self.next {
            let next = next.max(self.out.len());
            self.out.resize(next, b' ');
            self.out.push(b' ');
        }
        let start = self.out.len();
        push(self.out);
        self.next = Some(start + width);
    }

    fn end(self) {
        self.out.push(b'\n');
    }
}
