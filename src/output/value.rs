//! What one cell of a row can hold.

use std::num::NonZero;

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

/// What a value is made of. Those that are equal are values that look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bits {
    kind: NonZero<u8>,
    bits: u128,
}

impl Bits {
    #[inline]
    const fn of(kind: u8, bits: u128) -> Option<Self> {
        match NonZero::new(kind) {
            Some(kind) => Some(Self { kind, bits }),
            None => None,
        }
    }

    /// Those of a text that is known by a number.
    #[inline]
    #[must_use]
    pub const fn of_text(number: u64) -> Option<Self> {
        Self::of(u8::MAX, number as u128)
    }
}

impl Value<'_> {
    /// What it is made of, unless it is of no fixed size or new in each row.
    #[inline]
    #[must_use]
    pub fn bits(&self) -> Option<Bits> {
        match *self {
            Value::Unknown => Bits::of(1, 0),
            Value::Number(value) => Bits::of(2, value.into()),
            Value::V4(addr) => Bits::of(3, u32::from_ne_bytes(addr).into()),
            Value::V6(addr) => Bits::of(4, u128::from_ne_bytes(addr)),
            Value::Name(&name) => Bits::of(5, u128::from_ne_bytes(name)),
            Value::Nanoseconds(span) => Bits::of(6, span.into()),
            Value::Seconds(span) => Bits::of(7, span.into()),
            Value::Bytes(bytes) => Bits::of(8, bytes.into()),
            Value::Rate(rate) => Bits::of(9, rate.into()),
            Value::Signed(value) => Bits::of(10, u64::from_ne_bytes(value.to_ne_bytes()).into()),
            Value::Ratio(part, whole) => Bits::of(11, u128::from(part) << 32 | u128::from(whole)),
            Value::Errno(number) => Bits::of(12, number.into()),
            Value::True => Bits::of(13, 0),
            Value::Time(_) | Value::Word(_) | Value::Flags(..) | Value::Text(_) | Value::Json(_) | Value::Header(_) => {
                None
            }
        }
    }
}
