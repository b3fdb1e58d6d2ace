//! What one cell of a row can hold.

/// The name of a process as the kernel keeps it: up to the first NUL.
pub type Name = [u8; 16];

/// What one cell of a row can hold. Each format writes it in its own way: the table for people, JSON and
/// CSV in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// `-` in the table, absent in JSON, empty in CSV.
    Unknown,
    Number(u64),
    Signed(i64),
    /// So many of so many: `3/128` in the table, else the first number alone.
    Ratio(u32, u32),
    /// An IPv4 address, network order.
    V4([u8; 4]),
    /// An IPv6 address, network order.
    V6([u8; 16]),
    /// The name of a process. The process chose it, so it is escaped.
    Name(&'a Name),
    /// Foreign text of any length, escaped as well.
    Text(&'a [u8]),
    /// A short word of our own, in need of no escaping: a state, a kind, a result.
    Word(&'static str),
    /// Words of our own, those whose bit is set, with commas between them.
    Flags(&'static [&'static str], u32),
    /// A header of the table, as it is.
    Header(&'a str),
    /// JSON that is made already.
    Json(&'a str),
    /// What is the case; `true` in JSON.
    True,
    /// And what is not.
    False,
    /// An error by its name, `ECONNREFUSED` say.
    Errno(u16),
    /// A time span in nanoseconds; milliseconds with three decimals in the table.
    Nanoseconds(u64),
    /// A time span in nanoseconds; seconds with three decimals in the table.
    Seconds(u64),
    /// A number of bytes; KiB with two decimals in the table.
    Bytes(u64),
    /// Bytes a second; KiB with two decimals in the table.
    Rate(u64),
    /// Nanoseconds since 1970; HH:MM:SS in the local zone in the table, else RFC 3339 in UTC.
    Time(i64),
}
