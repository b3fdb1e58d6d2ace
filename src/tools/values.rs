//! What the rows of every tool have: who, and the two ends of a connection.

use crate::event::Event;
use crate::event::Head;
use crate::event::head;
use crate::output::Column;
use crate::output::Field;
use crate::output::Value;

/// What the manual page says of [`identity_columns`] and [`identity_fields`]: column, key, meaning.
pub const IDENTITY: &[(&str, &str, &str)] = &[
    ("UID", "", "Real user ID. Needs `-U`."),
    ("PID", "pid", "Process ID in the PID namespace of the tool, 0 where the process is not visible there."),
    ("", "tid", "Thread ID, in the same namespace."),
    ("", "uid", "Real user ID."),
    ("COMM", "comm", "Name of the thread, up to 15 bytes, which any process can set for itself."),
    ("", "cgroup_id", "ID of the process's cgroup (version 2): the inode number of its directory."),
    ("IP", "ip", "4 or 6."),
];

#[must_use]
pub fn column<E>(header: &'static str, width: usize, value: fn(&E) -> Value<'_>) -> Column<E> {
    Column { header, width, value }
}

#[must_use]
pub fn field<E>(key: &'static str, value: fn(&E) -> Value<'_>) -> Field<E> {
    Field { key, value }
}

/// The columns that tables begin with: `[UID] PID COMM IP`.
#[must_use]
pub fn identity_columns<E: Event>(print_uid: bool) -> Vec<Column<E>> {
    let uid = print_uid.then(|| column("UID", 5, uid));
    uid.into_iter().chain([column("PID", 7, pid), column("COMM", 16, comm), column("IP", 2, ip)]).collect()
}

/// The keys that JSON rows have after `ts`.
#[must_use]
pub fn identity_fields<E: Event>() -> Vec<Field<E>> {
    vec![
        field("pid", pid),
        field("tid", tid),
        field("uid", uid),
        field("comm", comm),
        field("cgroup_id", cgroup_id),
        field("ip", ip),
    ]
}

fn pid<E: Event>(event: &E) -> Value<'_> {
    Value::Number(head(event).pid.into())
}

fn tid<E: Event>(event: &E) -> Value<'_> {
    Value::Number(head(event).tid.into())
}

fn uid<E: Event>(event: &E) -> Value<'_> {
    Value::Number(head(event).uid.into())
}

fn comm<E: Event>(event: &E) -> Value<'_> {
    Value::Name(&head(event).comm)
}

fn cgroup_id<E: Event>(event: &E) -> Value<'_> {
    number_unless_zero(head(event).cgroup_id)
}

fn ip<E: Event>(event: &E) -> Value<'_> {
    Value::Number(head(event).ip.into())
}

/// All zeros: no local address was chosen.
pub fn saddr<E: Event>(event: &E) -> Value<'_> {
    let head = head(event);
    if head.saddr == [0; 16] { Value::Unknown } else { address(head, head.saddr) }
}

pub fn sport<E: Event>(event: &E) -> Value<'_> {
    number_unless_zero(head(event).sport.into())
}

pub fn daddr<E: Event>(event: &E) -> Value<'_> {
    let head = head(event);
    if head.daddr_known == 0 { Value::Unknown } else { address(head, head.daddr) }
}

fn address(head: &Head, addr: [u8; 16]) -> Value<'static> {
    match (head.ip, addr) {
        (4, [a, b, c, d, ..]) => Value::V4([a, b, c, d]),
        _ => Value::V6(addr),
    }
}

pub fn number_unless_zero(number: u64) -> Value<'static> {
    if number == 0 { Value::Unknown } else { Value::Number(number) }
}
