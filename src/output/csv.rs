//! CSV as RFC 4180 has it: a header of the keys, values in base units, what is unknown empty.

use super::Column;
use super::Value;
use super::addr;
use super::cell::number;
use super::cell::put_all;
use super::cell::signed;
use super::errno;
use super::escape;
use super::flags;
use super::json::rfc3339;
use super::line::Line;
use super::time::WallClock;

/// Rows as CSV.
pub struct Csv {
    columns: Vec<Column>,
    show_header: bool,
    clock: WallClock,
    line: Line,
    cells: usize,
}

impl Csv {
    pub fn new(columns: Vec<Column>, show_header: bool) -> Self {
        Self { columns, show_header, clock: WallClock::utc_date_time(), line: Line::new(1 << 10), cells: 0 }
    }

    /// What stands between two cells.
    fn separate(&mut self) {
        if self.cells > 0 {
            self.line.push(b",");
        }
        self.cells += 1;
    }

    pub fn header(&mut self, out: &mut Vec<u8>) {
        if self.show_header {
            for at in 0..self.columns.len() {
                self.separate();
                self.line.push(self.columns[at].key.as_bytes());
            }
            self.end(out);
        }
    }

    #[inline]
    pub fn row<'a>(&mut self, cells: impl Iterator<Item = Value<'a>>, out: &mut Vec<u8>) {
        cells.for_each(|value| self.cell(value));
        self.end(out);
    }

    fn cell(&mut self, value: Value<'_>) {
        self.separate();
        match value {
            Value::Unknown => {}
            Value::Name(name) => {
                let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
                self.line.push(&escape::csv(&name[..end]));
            }
            Value::Text(bytes) => self.line.push(&escape::csv(bytes)),
            Value::Json(json) => self.line.push(&escape::csv(json.as_bytes())),
            Value::Number(value)
            | Value::Nanoseconds(value)
            | Value::Seconds(value)
            | Value::Bytes(value)
            | Value::Rate(value) => self.line.put(|room| number(value, room, 0)),
            Value::Signed(value) => self.line.put(|room| signed(value, room, 0)),
            Value::Ratio(part, _) => self.line.put(|room| number(part.into(), room, 0)),
            Value::V4(addr) => self.line.put(|room| addr::v4(addr, room, 0)),
            Value::V6(addr) => self.line.put(|room| addr::v6(addr, room, 0)),
            Value::True => self.line.push(b"true"),
            Value::False => self.line.push(b"false"),
            Value::Header(header) => self.line.push(header.as_bytes()),
            Value::Word(word) => self.line.put(|room| put_all(word.as_bytes(), room, 0)),
            Value::Flags(words, bits) => {
                self.line.push(b"\"");
                self.line.put(|room| flags(words, bits, room, 0));
                self.line.push(b"\"");
            }
            Value::Errno(number) => self.line.put(|room| errno(number, room, 0)),
            Value::Time(wall) => self.line.put(|room| rfc3339(wall, &mut self.clock, room, 0)),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.cells == 1 && self.line.is_empty() {
            self.line.push(b"\"\""); // an empty line would be no row
        }
        self.cells = 0;
        self.line.push(b"\r");
        self.line.finish(out);
    }
}
