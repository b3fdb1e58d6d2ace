//! The JSON format: one object a line, keys in a fixed order, unknown ones left out.

use std::io::Write;

use super::End;
use super::Field;
use super::Format;
use super::Losses;
use super::Value;
use super::addr;
use super::cell::ROOM;
use super::cell::Room;
use super::cell::number;
use super::cell::padded;
use super::cell::put_all;
use super::cell::quoted;
use super::cell::ratio;
use super::cell::room;
use super::errno;
use super::escape;
use super::time::WallClock;

/// Within a version keys are only added, at the end.
const VERSION: u64 = 1;

/// Rows as JSON lines.
pub struct Json<E: 'static> {
    /// Each with what stands before its value.
    fields: Vec<(Vec<u8>, Field<E>)>,
    /// What every line begins with, up to the quote that opens `ts`.
    start: Vec<u8>,
    clock: WallClock,
    /// Long enough for any line.
    line: Vec<u8>,
}

impl<E> Json<E> {
    /// Lines of the tool named `tool` with these fields after `v`, `tool` and `ts`.
    #[must_use]
    pub fn new(tool: &str, fields: Vec<Field<E>>) -> Self {
        let key = |field: &Field<E>| format!(r#","{}":"#, field.key).into_bytes();
        let fields: Vec<_> = fields.into_iter().map(|field| (key(&field), field)).collect();
        let start = format!(r#"{{"v":{VERSION},"tool":"{tool}","ts":""#).into_bytes();
        let longest = start.len() + fields.iter().map(|(key, _)| key.len() + ROOM).sum::<usize>() + 2 * ROOM;
        Self { fields, start, clock: WallClock::utc_date_time(), line: vec![0; longest] }
    }

    /// Begins the line, up to and with `ts`, and returns how long it is.
    fn begin(&mut self, wall: i64) -> usize {
        let (seconds, nanoseconds) = self.clock.at(wall);
        let at = self.start.len();
        self.line[..at].copy_from_slice(&self.start);
        let room = room(&mut self.line, at);
        let end = put_all(seconds.as_bytes(), room, 0);
        let end = put_all(b".", room, end);
        let end = padded(nanoseconds, 9, room, end);
        at + put_all(b"Z\"", room, end)
    }
}

impl<E> Format<E> for Json<E> {
    fn header(&mut self, _: &mut Vec<u8>) {}

    fn row(&mut self, event: &E, ts: u64, wall_offset: i64, out: &mut Vec<u8>) {
        let mut at = self.begin((ts as i64).wrapping_add(wall_offset));
        for (key, field) in &self.fields {
            let value = (field.value)(event);
            if value != Value::Unknown {
                let start = at + key.len();
                self.line[at..start].copy_from_slice(key);
                at = start + cell(value, room(&mut self.line, start));
            }
        }
        at += put_all(b"}\n", room(&mut self.line, at), 0);
        out.extend_from_slice(&self.line[..at]);
    }

    fn losses(&mut self, losses: &Losses, end: Option<End>, now: i64, out: &mut Vec<u8>) {
        let at = self.begin(now);
        out.extend_from_slice(&self.line[..at]);
        let Losses { ring, map, half, skipped } = losses;
        let lost = losses.lost();
        // Writing to a Vec cannot fail.
        let _ =
            write!(out, r#","lost":{lost},"lost_ring":{ring},"lost_map":{map},"lost_half":{half},"skipped":{skipped}"#);
        if let Some(End { rows, pending }) = end {
            let _ = write!(out, r#","end":true,"rows":{rows}"#);
            if let Some(pending) = pending {
                let _ = write!(out, r#","pending":{pending}"#);
            }
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Writes the value and returns how long it is.
fn cell(value: Value<'_>, room: &mut Room) -> usize {
    match value {
        Value::Unknown => 0,
        Value::Number(value) | Value::Nanoseconds(value) => number(value, room, 0),
        Value::V4(addr) => quoted(room, 0, |room, at| addr::v4(addr, room, at)),
        Value::V6(addr) => quoted(room, 0, |room, at| addr::v6(addr, room, at)),
        Value::Name(name) => escape::json(name, room, 0),
        Value::Word(word) => quoted(room, 0, |room, at| put_all(word.as_bytes(), room, at)),
        Value::Ratio(part, whole) => quoted(room, 0, |room, at| ratio(part, whole, room, at)),
        Value::Errno(number) => quoted(room, 0, |room, at| errno(number, room, at)),
    }
}
