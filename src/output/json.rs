//! The JSON format: one object a line, keys in a fixed order, unknown ones left out.

use super::End;
use super::Field;
use super::Format;
use super::Losses;
use super::Value;
use super::addr;
use super::escape;
use super::push_errno;
use super::push_ratio;
use super::time::WallClock;
use super::time::push_number;
use super::time::push_padded;

/// Within a version keys are only added, at the end.
const VERSION: u64 = 1;

/// Rows as JSON lines.
pub struct Json<E: 'static> {
    fields: Vec<Field<E>>,
    /// What every line begins with, up to the quote that opens `ts`.
    start: Vec<u8>,
    clock: WallClock,
}

impl<E> Json<E> {
    /// Lines of the tool named `tool` with these fields after `v`, `tool` and `ts`.
    #[must_use]
    pub fn new(tool: &str, fields: Vec<Field<E>>) -> Self {
        Self {
            fields,
            start: format!(r#"{{"v":{VERSION},"tool":"{tool}","ts":""#).into_bytes(),
            clock: WallClock::utc_date_time(),
        }
    }

    fn start_line(&mut self, wall: i64, out: &mut Vec<u8>) {
        let (seconds, nanoseconds) = self.clock.at(wall);
        out.extend_from_slice(&self.start);
        out.extend_from_slice(seconds.as_bytes());
        out.push(b'.');
        push_padded(nanoseconds, 9, out);
        out.extend_from_slice(b"Z\"");
    }
}

impl<E> Format<E> for Json<E> {
    fn header(&mut self, _: &mut Vec<u8>) {}

    fn row(&mut self, event: &E, ts: u64, wall_offset: i64, out: &mut Vec<u8>) {
        self.start_line((ts as i64).wrapping_add(wall_offset), out);
        for field in &self.fields {
            push_field(field.key, (field.value)(event), out);
        }
        out.extend_from_slice(b"}\n");
    }

    fn losses(&mut self, losses: &Losses, end: Option<End>, now: i64, out: &mut Vec<u8>) {
        self.start_line(now, out);
        push_field("lost", Value::Number(losses.total()), out);
        push_field("lost_ring", Value::Number(losses.ring), out);
        push_field("lost_map", Value::Number(losses.map), out);
        push_field("missed", Value::Number(losses.missed), out);
        if let Some(End { rows, pending }) = end {
            out.extend_from_slice(b",\"end\":true");
            push_field("rows", Value::Number(rows), out);
            push_field("pending", Value::Number(pending), out);
        }
        out.extend_from_slice(b"}\n");
    }
}

fn push_field(key: &str, value: Value<'_>, out: &mut Vec<u8>) {
    if value == Value::Unknown {
        return;
    }
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    match value {
        Value::Unknown => {}
        Value::Number(number) | Value::Nanoseconds(number) => push_number(number, out),
        Value::V4(addr) => push_quoted(addr::v4(addr).as_ref(), out),
        Value::V6(addr) => push_quoted(addr::v6(addr).as_ref(), out),
        Value::Name(name) => escape::push_json(name, out),
        Value::Word(word) => push_quoted(word.as_bytes(), out),
        Value::Ratio(part, whole) => {
            out.push(b'"');
            push_ratio(part, whole, out);
            out.push(b'"');
        }
        Value::Errno(errno) => {
            out.push(b'"');
            push_errno(errno, out);
            out.push(b'"');
        }
    }
}

fn push_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}
