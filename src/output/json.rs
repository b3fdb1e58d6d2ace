//! JSON lines: an object a line, what is unknown left out.

use super::Column;
use super::Value;
use super::Writer;
use super::addr;
use super::cell::Room;
use super::cell::number;
use super::cell::padded;
use super::cell::put_all;
use super::cell::quoted;
use super::cell::signed;
use super::errno;
use super::escape;
use super::flags;
use super::line::Line;
use super::time::WallClock;

/// Rows as JSON lines.
pub struct Json {
    /// What stands before the value of each column: `,"key":`.
    keys: Vec<Vec<u8>>,
    clock: WallClock,
    line: Line,
    /// How many cells the row has.
    cells: usize,
}

impl Json {
    #[must_use]
    pub fn new(columns: &[Column]) -> Self {
        let keys = columns.iter().map(|column| format!(r#","{}":"#, column.key).into_bytes()).collect();
        Self { keys, clock: WallClock::utc_date_time(), line: Line::new(1 << 10), cells: 0 }
    }

    fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Text(bytes) => self.line.push(&escape::json_of_any_length(bytes)),
            Value::Json(json) => self.line.push(json.as_bytes()),
            value => self.line.put(|room| short(value, &mut self.clock, room)),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match self.line.bytes_mut() {
            [comma, ..] => *comma = b'{',
            [] => self.line.push(b"{"),
        }
        self.line.push(b"}");
        self.line.finish(out);
    }
}

impl Writer for Json {
    fn header(&mut self, _: &mut Vec<u8>) {}

    fn cell(&mut self, value: &Value<'_>) {
        if *value != Value::Unknown {
            self.line.push(&self.keys[self.cells]);
            self.value(*value);
        }
        self.cells += 1;
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.cells = 0;
        self.finish(out);
    }

    fn object(&mut self, pairs: &[(&str, Value<'_>)], out: &mut Vec<u8>) {
        for &(key, value) in pairs.iter().filter(|(_, value)| *value != Value::Unknown) {
            self.line.push(format!(r#","{key}":"#).as_bytes());
            self.value(value);
        }
        self.finish(out);
    }
}

/// Writes a value of usual length, and returns how long it is.
fn short(value: Value<'_>, clock: &mut WallClock, room: &mut Room) -> usize {
    match value {
        Value::Unknown | Value::Text(_) | Value::Json(_) => put_all(b"null", room, 0),
        Value::Number(value)
        | Value::Nanoseconds(value)
        | Value::Seconds(value)
        | Value::Bytes(value)
        | Value::Rate(value) => number(value, room, 0),
        Value::Signed(value) => signed(value, room, 0),
        Value::Ratio(part, _) => number(part.into(), room, 0),
        Value::V4(addr) => quoted(room, 0, |room, at| addr::v4(addr, room, at)),
        Value::V6(addr) => quoted(room, 0, |room, at| addr::v6(addr, room, at)),
        Value::Name(name) => escape::json(name, room, 0),
        Value::True => put_all(b"true", room, 0),
        Value::Word(word) => quoted(room, 0, |room, at| put_all(word.as_bytes(), room, at)),
        Value::Flags(words, bits) => quoted(room, 0, |room, at| flags(words, bits, room, at)),
        Value::Errno(number) => quoted(room, 0, |room, at| errno(number, room, at)),
        Value::Time(wall) => quoted(room, 0, |room, at| rfc3339(wall, clock, room, at)),
    }
}

/// In UTC with nanoseconds.
pub fn rfc3339(wall: i64, clock: &mut WallClock, room: &mut Room, at: usize) -> usize {
    let (seconds, nanoseconds) = clock.at(wall);
    let at = put_all(seconds.as_bytes(), room, at);
    let at = put_all(b".", room, at);
    let at = padded(nanoseconds, 9, room, at);
    put_all(b"Z", room, at)
}
