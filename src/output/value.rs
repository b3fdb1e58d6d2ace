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

/// What a value is made of: values that are equal in it look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bits {
    kind: u8,
    bits: u128,
}

impl Bits {
    /// Of no fixed size, or new in each row.
    pub const NONE: Self = Self { kind: 0, bits: 0 };

    /// Of no value at all.
    pub const OTHER: Self = Self { kind: u8::MAX, bits: u128::MAX };

    /// Those of a text that is known by a number.
    #[must_use]
    pub fn of_text(number: u64) -> Self {
        Self { kind: u8::MAX, bits: number.into() }
    }
}

impl Value<'_> {
    /// What it is made of, if it is compared with others.
    #[inline]
    #[must_use]
    pub fn bits(&self) -> Bits {
        let (kind, bits) = match *self {
            Value::Unknown => (1, 0),
            Value::Number(value) => (2, value.into()),
            Value::V4(addr) => (3, u32::from_ne_bytes(addr).into()),
            Value::V6(addr) => (4, u128::from_ne_bytes(addr)),
            Value::Name(name) => (5, up_to_nul(name)),
            Value::Nanoseconds(span) => (6, span.into()),
            Value::Seconds(span) => (7, span.into()),
            Value::Bytes(bytes) => (8, bytes.into()),
            Value::Rate(rate) => (9, rate.into()),
            Value::Signed(value) => (10, u64::from_ne_bytes(value.to_ne_bytes()).into()),
            Value::Ratio(part, whole) => (11, u128::from(part) << 32 | u128::from(whole)),
            Value::Errno(number) => (12, number.into()),
            Value::True => (13, 0),
            Value::Time(_) | Value::Word(_) | Value::Flags(..) | Value::Text(_) | Value::Json(_) | Value::Header(_) => {
                return Bits::NONE;
            }
        };
        Bits { kind, bits }
    }
}

fn up_to_nul(name: &Name) -> u128 {
    let bytes = u128::from_le_bytes(*name);
    // Below its lowest bit that is set, which is in the first byte that is 0, are the bytes before that.
    let zeros = bytes.wrapping_sub(u128::from_ne_bytes([1; 16])) & !bytes & u128::from_ne_bytes([0x80; 16]);
    bytes & zeros.wrapping_sub(1) & !zeros
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_ends_at_its_first_nul(name in prop::array::uniform16(0_u8..3), rest: [u8; 16], end in 0..16_usize) {
            let mut other = name;
            other[end] = 0;
            let mut same = other;
            same[end + 1..].copy_from_slice(&rest[end + 1..]);
            prop_assert_eq!(Value::Name(&other).bits(), Value::Name(&same).bits());
            let text = |name: &Name| name.split(|&byte| byte == 0).next().unwrap().to_vec();
            prop_assert_eq!(Value::Name(&name).bits() == Value::Name(&other).bits(), text(&name) == text(&other));
        }
    }
}
