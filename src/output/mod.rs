//! Rows to bytes: values, the formats that write them, and where the bytes go. Nothing in this module
//! knows BPF, a backend or a tool.

mod addr;
mod alarm;
mod cell;
mod csv;
mod escape;
mod histogram;
mod json;
mod line;
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

pub use histogram::histogram;
pub use sink::GONE;
pub use sink::Sink;
pub use sink::Until;
pub use sink::Written;
pub use sink::whole_milliseconds;
pub use stdout::print;
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
}

/// A way to write rows. What is appended to `out` are whole lines.
trait Writer {
    /// Once, when tracing has begun.
    fn header(&mut self, out: &mut Vec<u8>);

    /// The next cell of the row, in the order of the columns.
    fn cell(&mut self, value: &Value<'_>);

    /// The row has all its cells.
    fn end(&mut self, out: &mut Vec<u8>);

    /// An object that is no row, in a format that has such.
    fn object(&mut self, pairs: &[(&str, Value<'_>)], out: &mut Vec<u8>);
}

/// The writer of a format. Known by its kind, so that a row costs one look at it and not one a cell: 60
/// instructions less of 1,100.
pub enum AnyWriter {
    Table(Table),
    Json(Json),
    Csv(Csv),
}

impl Format {
    /// A writer of rows with these columns.
    #[must_use]
    pub fn writer(self, columns: Vec<Column>, show_header: bool) -> AnyWriter {
        match self {
            Self::Table => AnyWriter::Table(Table::new(columns, show_header)),
            Self::Json => AnyWriter::Json(Json::new(&columns)),
            Self::Csv => AnyWriter::Csv(Csv::new(columns, show_header)),
        }
    }
}

impl AnyWriter {
    /// Writes a row of these cells.
    #[inline]
    pub fn row<'a>(&mut self, cells: impl Iterator<Item = Value<'a>>, out: &mut Vec<u8>) {
        match self {
            Self::Table(writer) => write_row(writer, cells, out),
            Self::Json(writer) => write_row(writer, cells, out),
            Self::Csv(writer) => write_row(writer, cells, out),
        }
    }

    fn any(&mut self) -> &mut dyn Writer {
        match self {
            Self::Table(writer) => writer,
            Self::Json(writer) => writer,
            Self::Csv(writer) => writer,
        }
    }

    /// Once, when tracing has begun.
    pub fn header(&mut self, out: &mut Vec<u8>) {
        self.any().header(out);
    }

    /// An object that is no row, in a format that has such.
    pub fn object(&mut self, pairs: &[(&str, Value<'_>)], out: &mut Vec<u8>) {
        self.any().object(pairs, out);
    }
}

#[inline]
fn write_row<'a>(writer: &mut impl Writer, cells: impl Iterator<Item = Value<'a>>, out: &mut Vec<u8>) {
    cells.for_each(|cell| writer.cell(&cell));
    writer.end(out);
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
