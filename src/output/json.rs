//! JSON lines: one object on each line. What is unknown is left out.

use super::Column;
use super::Value;
use super::addr;
use super::cell::ROOM;
use super::cell::Room;
use super::cell::number;
use super::cell::padded;
use super::cell::put;
use super::cell::put_all;
use super::cell::quoted;
use super::cell::signed;
use super::errno;
use super::escape;
use super::flags;
use super::line::Line;
use super::memo::Memo;
use super::time::WallClock;

/// Rows as JSON lines.
pub struct Json {
    /// What every row begins with: the first columns, as far as their values are always the same.
    start: Vec<u8>,
    constants: usize,
    /// The key of each other column, and what it wrote last, with the key.
    cells: Vec<(Key, Memo<CELL>)>,
    clock: WallClock,
    line: Line,
}

/// What stands before the value of a column: `,"key":`, and blanks, so that a fixed size can be copied.
struct Key {
    bytes: [u8; KEY],
    len: usize,
}

/// The longest key, with what is around it.
const KEY: usize = 48;

/// What is kept of a key and its value: any address has room, any name that needs no escaping.
const CELL: usize = 64;

impl Json {
    pub fn new(columns: &[Column]) -> Self {
        let constant = |column: &Column| Some(format!(r#","{}":{}"#, column.key, column.constant.as_ref()?));
        let first: Vec<_> = columns.iter().map_while(constant).collect();
        let (constants, start) = (first.len(), first.concat().into_bytes());
        let cells: Vec<_> = columns[constants..].iter().map(|column| (Key::new(&column.key), Memo::new())).collect();
        let line = Line::new(start.len() + cells.len() * (KEY + ROOM));
        Self { start, constants, cells, clock: WallClock::utc_date_time(), line }
    }

    #[inline]
    pub fn row<'a>(&mut self, values: impl Iterator<Item = Value<'a>>, out: &mut Vec<u8>) {
        self.line.end_at(0);
        self.line.push(&self.start);
        let mut at = self.start.len();
        let mut cells = self.cells.iter_mut();
        values.skip(self.constants).for_each(|value| {
            let Some((key, memo)) = cells.next() else { return };
            at += match memo.recall(&value, self.line.room(at)) {
                Some(len) => len,
                None => cell(key, &value, memo, &mut self.clock, &mut self.line, at),
            };
        });
        self.finish(at, out);
    }

    /// An object that is no row.
    pub fn object(pairs: &[(&str, Value<'_>)], out: &mut Vec<u8>) {
        let known = || pairs.iter().filter(|(_, value)| *value != Value::Unknown);
        let columns: Vec<_> = known().map(|(key, _)| Column::new(key.to_string())).collect();
        Json::new(&columns).row(known().map(|&(_, value)| value), out);
    }

    fn finish(&mut self, at: usize, out: &mut Vec<u8>) {
        self.line.grown_room(0)[0] = b'{'; // the first key's comma
        let at = at.max(1);
        self.line.end_at(at);
        self.line.push(b"}");
        self.line.finish(out);
    }
}

impl Key {
    fn new(key: &str) -> Self {
        let text = format!(r#","{key}":"#);
        let mut bytes = [b' '; KEY];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Self { bytes, len: text.len() }
    }
}

/// Writes a key and its value, nothing where that is unknown, and returns how long they are.
#[inline(never)]
fn cell(
    key: &Key,
    value: &Value<'_>,
    memo: &mut Memo<CELL>,
    clock: &mut WallClock,
    line: &mut Line,
    at: usize,
) -> usize {
    let room = line.grown_room(at);
    if *value == Value::Unknown {
        memo.keep(value, room, 0);
        return 0;
    }
    let start = at + put(key.bytes, key.len, room, 0);
    match short(value, clock, line.grown_room(start)) {
        Some(len) => {
            memo.keep(value, line.grown_room(at), key.len + len);
            key.len + len
        }
        None => key.len + long(value, line, start),
    }
}

/// Writes a value into the room that there is, and returns how long it is; `None` where it may be longer.
#[inline]
fn short(value: &Value<'_>, clock: &mut WallClock, room: &mut Room) -> Option<usize> {
    Some(match *value {
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
        Value::False => put_all(b"false", room, 0),
        Value::Word(word) => quoted(room, 0, |room, at| put_all(word.as_bytes(), room, at)),
        Value::Flags(words, bits) => quoted(room, 0, |room, at| flags(words, bits, room, at)),
        Value::Errno(number) => quoted(room, 0, |room, at| errno(number, room, at)),
        Value::Time(wall) => quoted(room, 0, |room, at| rfc3339(wall, clock, room, at)),
        Value::Unknown | Value::Text(_) | Value::Json(_) | Value::Header(_) => return None,
    })
}

#[cold]
fn long(value: &Value<'_>, line: &mut Line, at: usize) -> usize {
    let json = match *value {
        Value::Text(text) => escape::json_of_any_length(text),
        Value::Json(json) => json.as_bytes().to_vec(),
        _ => b"null".to_vec(),
    };
    line.end_at(at);
    line.push(&json);
    json.len()
}

/// In UTC with nanoseconds.
pub fn rfc3339(wall: i64, clock: &mut WallClock, room: &mut Room, at: usize) -> usize {
    let (seconds, nanoseconds) = clock.at(wall);
    let at = put_all(seconds, room, at);
    let at = padded(nanoseconds, 9, room, at);
    put(*b"Z", 1, room, at)
}
