//! Rows to bytes: values, the formats that write them, and where the bytes go. Nothing in this module
//! knows BPF, a backend or a tool.

mod addr;
mod alarm;
mod cell;
mod csv;
mod distribution;
mod escape;
mod histogram;
mod json;
mod line;
mod memo;
pub mod say;
mod sink;
mod stdout;
mod table;
mod time;
mod value;

use std::borrow::Cow;
use std::io::Write;

use cell::ROOM;
use cell::Room;
use clap::ValueEnum;
use csv::Csv;
use json::Json;
use nix::errno::Errno;
use table::Table;

pub use distribution::Distribution;
pub use distribution::last_of;
pub use histogram::histogram;
pub use sink::GONE;
pub use sink::Sink;
pub use sink::Until;
pub use sink::Written;
pub use sink::whole_milliseconds;
pub use stdout::print;
pub use value::Bits;
pub use value::Name;
pub use value::Value;

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table with a header, for people and awk.
    #[default]
    Table,
    /// One JSON object a line.
    Json,
    /// Comma-separated values (RFC 4180) with a header of the keys.
    Csv,
}

/// What the formats have to know of the cells below each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// In JSON and CSV.
    pub key: Cow<'static, str>,
    /// In the table.
    pub header: Cow<'static, str>,
    /// The least width in the table.
    pub width: usize,
    /// Its values are [`Value::Time`].
    pub is_time: bool,
    /// The value of all its rows as JSON has it, where they have the same.
    pub constant: Option<String>,
}

impl Column {
    /// One with a key alone, for JSON and CSV.
    #[must_use]
    pub fn new(key: impl Into<Cow<'static, str>>) -> Self {
        Self { key: key.into(), header: "".into(), width: 0, is_time: false, constant: None }
    }
}

/// Writes rows in one format. What is appended to `out` are whole lines.
///
/// It is no trait: with a virtual call for each cell a row took 60 instructions more, of 780.
pub enum Writer {
    Table(Table),
    Json(Json),
    Csv(Csv),
}

impl Format {
    /// A writer of rows with these columns.
    #[must_use]
    pub fn writer(self, columns: Vec<Column>, show_header: bool) -> Writer {
        match self {
            Self::Table => Writer::Table(Table::new(columns, show_header)),
            Self::Json => Writer::Json(Json::new(&columns)),
            Self::Csv => Writer::Csv(Csv::new(columns, show_header)),
        }
    }
}

impl Writer {
    /// Once, when tracing has begun.
    pub fn header(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Table(writer) => writer.header(out),
            Self::Json(_) => {}
            Self::Csv(writer) => writer.header(out),
        }
    }

    /// Writes a row of these cells, one for each column.
    #[inline]
    pub fn row<'a>(&mut self, cells: impl Iterator<Item = Value<'a>>, out: &mut Vec<u8>) {
        match self {
            Self::Table(writer) => writer.row(cells, out),
            Self::Json(writer) => writer.row(cells, out),
            Self::Csv(writer) => writer.row(cells, out),
        }
    }

    /// Writes an object that is no row. The other formats have rows alone.
    pub fn object(&mut self, pairs: &[(&str, Value<'_>)], out: &mut Vec<u8>) {
        if let Self::Json(_) = self {
            Json::object(pairs, out);
        }
    }
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

/// Those of `words` whose bit is set, with commas between them; `-` where there is none.
fn flags(words: &[&str], bits: u32, room: &mut Room, start: usize) -> usize {
    let set = words.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    let end = set.fold(start, |at, (_, word)| {
        let at = if at > start { cell::put_all(b",", room, at) } else { at };
        cell::put_all(word.as_bytes(), room, at)
    });
    if end > start { end } else { cell::put_all(b"-", room, start) }
}
