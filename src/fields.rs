//! Fields: the named values of a row. A tool has one list of them, from which come the table, JSON, CSV,
//! `--fields`, the manual page and what the kernel gathers. Those that all tools have stand here.

use std::cell::Cell;
use std::io;
use std::io::Write;

use crate::kernel::event;
use crate::kernel::event::Head;
use crate::kernel::event::Plain;
use crate::kernel::types::origin;
use crate::output::Column;
use crate::output::Value;
use crate::output::Writer;

/// Parts of a row that cost so much that they are gathered only where they are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Show {
    pub time: bool,
    pub uid: bool,
    pub cgroup: bool,
    pub netns: bool,
}

impl Show {
    pub const NOTHING: Self = Self { time: false, uid: false, cgroup: false, netns: false };

    /// What both ask for.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            time: self.time || other.time,
            uid: self.uid || other.uid,
            cgroup: self.cgroup || other.cgroup,
            netns: self.netns || other.netns,
        }
    }
}

/// What looks up the value of a field.
pub type Get = for<'a> fn(&Row<'a>) -> Value<'a>;

/// One named value of a row.
#[derive(Clone, Copy)]
pub struct Field {
    /// Its name in JSON, CSV and `--fields`.
    pub key: &'static str,
    /// Its header in the table.
    pub header: &'static str,
    /// Its least width in the table.
    pub width: usize,
    /// What it is, for the manual page and `--fields list`: sentences, backticks around what is literal.
    pub about: &'static str,
    /// Whether JSON has it unless `--fields` says otherwise.
    pub in_json: bool,
    /// What the kernel has to gather for it.
    pub gather: Show,
    pub kind: Kind,
    pub value: Get,
}

impl Field {
    /// A field that JSON has, and that needs nothing gathered for it alone.
    #[must_use]
    pub const fn new(
        key: &'static str,
        header: &'static str,
        width: usize,
        kind: Kind,
        value: Get,
        about: &'static str,
    ) -> Self {
        Self { key, header, width, about, in_json: true, gather: Show::NOTHING, kind, value }
    }

    /// The same, but only there where `--fields` or another option asks for it.
    #[must_use]
    pub const fn on_demand(self) -> Self {
        Self { in_json: false, ..self }
    }

    /// The same, with what the kernel has to gather for it.
    #[must_use]
    pub const fn gathered(self, gather: Show) -> Self {
        Self { gather, ..self }
    }

    #[must_use]
    pub fn column(&self) -> Column {
        let is_time = self.kind == Kind::Time;
        Column { key: self.key.into(), header: self.header.into(), width: self.width, is_time, constant: None }
    }
}

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that names something: a process, a port.
    Id,
    /// A number of things.
    Count,
    /// A time span in nanoseconds.
    Span,
    /// A number of bytes.
    Bytes,
    /// An IP address.
    Address,
    /// Text that somebody else chose.
    Text,
    /// A word of ours, or the name of an error.
    Word,
    /// Whether something is the case.
    Flag,
    /// A point in time, or the time since one: each row has another.
    Time,
    Elapsed,
}

impl Kind {
    /// Whether values can be added up.
    #[must_use]
    pub fn is_quantity(self) -> bool {
        matches!(self, Self::Span | Self::Bytes | Self::Count)
    }

    /// Whether each row has another, so that rows cannot be counted by it.
    #[must_use]
    pub fn is_unique(self) -> bool {
        matches!(self, Self::Time | Self::Elapsed)
    }

    /// What one step of a histogram's scale is.
    #[must_use]
    pub fn unit(self) -> u64 {
        if self == Self::Span { 1000 } else { 1 }
    }

    /// What a scale of these units is called.
    #[must_use]
    pub fn scale_of(self, unit: u64) -> &'static str {
        match (self, unit) {
            (Self::Span, 1000) => "usecs",
            (Self::Span, _) => "msecs",
            (Self::Bytes, _) => "bytes",
            _ => "value",
        }
    }

    /// Its type in a JSON Schema, and the format of a string.
    #[must_use]
    pub fn schema(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Id | Self::Count | Self::Span | Self::Bytes | Self::Elapsed => ("integer", None),
            Self::Flag => ("boolean", None),
            Self::Address | Self::Text | Self::Word => ("string", None),
            Self::Time => ("string", Some("date-time")),
        }
    }

    /// A quantity as rows show it.
    #[must_use]
    pub fn quantity(self, value: u64) -> Value<'static> {
        match self {
            Self::Span => Value::Nanoseconds(value),
            Self::Bytes => Value::Bytes(value),
            _ => Value::Number(value),
        }
    }
}

/// A row as fields see it: the event, and what is known beside it.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// The record as it lies in the ring.
    pub record: &'a [u8],
    head: &'a Head,
    context: &'a Context,
}

/// What is known beside an event.
pub struct Context {
    pub tool: &'static str,
    /// What leads from boot time to the wall clock, in nanoseconds.
    pub wall_offset: i64,
    /// The time of the first row, on the boot clock.
    first: Cell<Option<u64>>,
}

impl Context {
    #[must_use]
    pub fn new(tool: &'static str, wall_offset: i64) -> Self {
        Self { tool, wall_offset, first: Cell::new(None) }
    }
}

impl<'a> Row<'a> {
    /// The row of a record.
    ///
    /// # Panics
    /// It is too short for any event, or not aligned, which the run has looked at.
    #[inline]
    #[must_use]
    pub fn new(record: &'a [u8], context: &'a Context) -> Self {
        Self { record, head: event::head(record).expect("a record of a tool"), context }
    }

    /// The event.
    ///
    /// # Panics
    /// The record is no `E`, which the run has looked at when it took it from the ring.
    #[inline]
    #[must_use]
    pub fn event<E: Plain>(&self) -> &'a E {
        event::view(self.record).expect("a record of this tool")
    }
}

/// What rows of all tools begin with: when, who, and in which network. The table shows times and UID if options ask for them.
pub const IDENTITY: &[Field] = &[
    Field::new(
        "v",
        "V",
        1,
        Kind::Id,
        |_| Value::Number(VERSION),
        "Version of the JSON form, 1. Within a version keys are only added.",
    ),
    Field::new("tool", "TOOL", 10, Kind::Word, |row| Value::Word(row.context.tool), "Name of the tool."),
    Field::new(
        "ts",
        "TIME",
        8,
        Kind::Time,
        |row| Value::Time((row.head.origin.ts as i64).wrapping_add(row.context.wall_offset)),
        "Time of the event. In the table it is HH:MM:SS in the local time zone, elsewhere it has the form of RFC 3339, \
         in UTC, with nanoseconds.",
    )
    .gathered(Show { time: true, ..Show::NOTHING }),
    Field::new(
        "elapsed_ns",
        "TIME(s)",
        8,
        Kind::Elapsed,
        elapsed,
        "Time since the event of the first row, never below 0; in seconds in the table.",
    )
    .gathered(Show { time: true, ..Show::NOTHING })
    .on_demand(),
    Field::new(
        "uid",
        "UID",
        5,
        Kind::Id,
        |row| of_task(row, |origin| Value::Number(origin.caller.uid.into())),
        "Real user ID.",
    )
    .gathered(Show { uid: true, ..Show::NOTHING }),
    Field::new(
        "pid",
        "PID",
        7,
        Kind::Id,
        |row| of_task(row, |origin| Value::Number(origin.caller.pid.into())),
        "Process ID in the PID namespace of the tool, 0 where the process is not visible there.",
    ),
    Field::new(
        "tid",
        "TID",
        7,
        Kind::Id,
        |row| of_task(row, |origin| Value::Number(origin.caller.tid.into())),
        "Thread ID, in the same namespace.",
    ),
    Field::new(
        "comm",
        "COMM",
        16,
        Kind::Text,
        |row| of_task(row, |origin| Value::Name(&origin.comm)),
        "Name of the thread, up to 15 bytes, which any process can set for itself.",
    ),
    Field::new(
        "cgroup_id",
        "CGROUP",
        10,
        Kind::Id,
        |row| of_task(row, |origin| number_unless_zero(origin.cgroup_id)),
        "ID of the process's cgroup (version 2): the inode number of its directory.",
    )
    .gathered(Show { cgroup: true, ..Show::NOTHING }),
    Field::new(
        "netns",
        "NETNS",
        10,
        Kind::Id,
        |row| number_unless_zero(row.head.ends.netns.into()),
        "Network namespace of the socket: its inode number. Unknown where the kernel has no BTF.",
    )
    .gathered(Show { netns: true, ..Show::NOTHING })
    .on_demand(),
    Field::new("ip", "IP", 2, Kind::Id, |row| Value::Number(row.head.ends.ip.into()), "Version of IP: 4 or 6."),
];

/// The keys of fields that are the same in every row.
pub const CONSTANT: [&str; 2] = ["v", "tool"];

/// Within a version keys are only added.
pub const VERSION: u64 = 1;

/// What is known of the task; nothing where an event has none.
fn of_task<'a>(row: &Row<'a>, value: fn(&'a origin) -> Value<'a>) -> Value<'a> {
    if row.head.origin.anonymous == 0 { value(&row.head.origin) } else { Value::Unknown }
}

/// Events of two CPUs can cross in the ring, so a later row may be older than the first.
fn elapsed<'a>(row: &Row<'a>) -> Value<'a> {
    let (ts, first) = (row.head.origin.ts, &row.context.first);
    if first.get().is_none() {
        first.set(Some(ts));
    }
    Value::Seconds(ts.saturating_sub(first.get().unwrap_or(ts)))
}

/// The local address of an event's connection. All zeros: none was chosen.
#[must_use]
pub fn local_address<'a>(row: &Row<'a>) -> Value<'a> {
    let ends = &row.head.ends;
    match address(ends.ip, &ends.saddr) {
        Value::V4(addr) if u32::from_ne_bytes(addr) == 0 => Value::Unknown,
        Value::V6(addr) if u128::from_ne_bytes(addr) == 0 => Value::Unknown,
        address => address,
    }
}

#[must_use]
pub fn local_port<'a>(row: &Row<'a>) -> Value<'a> {
    number_unless_zero(row.head.ends.sport.into())
}

#[must_use]
pub fn remote_address<'a>(row: &Row<'a>) -> Value<'a> {
    let ends = &row.head.ends;
    if ends.daddr_known == 0 { Value::Unknown } else { address(ends.ip, &ends.daddr) }
}

#[must_use]
pub fn remote_port<'a>(row: &Row<'a>) -> Value<'a> {
    number_unless_zero(row.head.ends.dport.into())
}

fn address(ip: u8, addr: &[u8; 16]) -> Value<'static> {
    match (ip, addr) {
        (4, &[a, b, c, d, ..]) => Value::V4([a, b, c, d]),
        _ => Value::V6(*addr),
    }
}

#[must_use]
pub fn number_unless_zero(number: u64) -> Value<'static> {
    if number == 0 { Value::Unknown } else { Value::Number(number) }
}

/// Writes a row with these fields.
pub fn write(fields: &[Field], row: Row<'_>, writer: &mut Writer, out: &mut Vec<u8>) {
    writer.row(fields.iter().map(|field| (field.value)(&row)), out);
}

/// Those of `fields` that rows show: `default` by their keys, changed by what `--fields` says. Its first word
/// without a sign makes it the whole list; `+KEY` adds a field at the end, `-KEY` takes one away.
///
/// # Errors
/// There is no such field, or it is named twice, or none is left.
pub fn select(fields: &[Field], default: &[&str], asked: &[String]) -> Result<Vec<Field>, String> {
    let find = |key: &str| {
        let known = || fields.iter().map(|field| field.key).collect::<Vec<_>>().join(", ");
        fields
            .iter()
            .find(|field| field.key == key)
            .ok_or_else(|| format!("there is no field `{key}`; there are {}", known()))
    };
    let is_change = |word: &String| word.starts_with(['+', '-']);
    let start = if asked.iter().all(is_change) { default } else { &[] };
    let mut selected = start.iter().map(|key| find(key).copied()).collect::<Result<Vec<_>, _>>()?;
    for word in asked {
        if let Some(key) = word.strip_prefix('-') {
            let field = find(key)?;
            let before = selected.len();
            selected.retain(|other| other.key != field.key);
            if selected.len() == before {
                return Err(format!("field `{key}` is not shown, so it cannot be taken away"));
            }
            continue;
        }
        let field = find(word.strip_prefix('+').unwrap_or(word))?;
        if selected.iter().any(|other| other.key == field.key) {
            return Err(format!("field `{}` is there twice", field.key));
        }
        selected.push(*field);
    }
    if selected.is_empty() { Err("no field is left".into()) } else { Ok(selected) }
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first)
}

/// Prints all fields of a tool that has these of its own: key, header, meaning.
///
/// # Errors
/// `out` cannot be written.
pub fn list(own: &[Field], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{:<12} {:<8} MEANING", "FIELD", "HEADER")?;
    for field in IDENTITY.iter().chain(own) {
        writeln!(out, "{:<12} {:<8} {}", field.key, field.header, first_sentence(field.about).replace('`', ""))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(asked: &[&str]) -> Result<Vec<&'static str>, String> {
        let asked: Vec<_> = asked.iter().map(ToString::to_string).collect();
        select(IDENTITY, &["pid", "comm"], &asked).map(|fields| fields.iter().map(|field| field.key).collect())
    }

    #[test]
    fn fields_are_listed_added_and_taken_away() {
        assert_eq!(keys(&[]).unwrap(), ["pid", "comm"]);
        assert_eq!(keys(&["+uid", "-pid"]).unwrap(), ["comm", "uid"]);
        assert_eq!(keys(&["ip", "pid"]).unwrap(), ["ip", "pid"]);
        assert_eq!(keys(&["ip", "+pid"]).unwrap(), ["ip", "pid"]);
        for bad in [&["nothing"][..], &["+pid"], &["ip", "ip"], &["-ip"], &["-pid", "-comm"], &[""]] {
            assert!(keys(bad).is_err(), "{bad:?}");
        }
    }
}
