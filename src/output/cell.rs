//! Values of usual length, written into a buffer that has room for the longest one.
//!
//! Functions that write take the buffer and the position to write at, and return the position after what they
//! wrote. They leave nothing but spaces in the 24 bytes behind that.

/// The longest value, a process name of 16 bytes, each as `\uXXXX`, in quotes, takes 98 bytes.
pub const ROOM: usize = 128;

/// The buffer.
pub type Room = [u8; ROOM];

/// `bytes`, of which the first `len` count and the others are spaces. A fixed number of bytes is
/// copied in a register or two.
pub fn put<const N: usize>(bytes: [u8; N], len: usize, room: &mut Room, at: usize) -> usize {
    room[at..at + N].copy_from_slice(&bytes);
    at + len
}

pub fn put_all(bytes: &[u8], room: &mut Room, at: usize) -> usize {
    room[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

/// What `write` writes, in quotes.
pub fn quoted(room: &mut Room, at: usize, write: impl FnOnce(&mut Room, usize) -> usize) -> usize {
    room[at] = b'"';
    let end = write(room, at + 1);
    room[end] = b'"';
    end + 1
}

/// In decimal.
pub fn number(number: u64, room: &mut Room, at: usize) -> usize {
    if number < 10 {
        return put([b'0' + number as u8], 1, room, at);
    }
    // ilog10 takes twice as long for numbers of usual length.
    let mut end = at + 2;
    let mut limit = 100;
    while number >= limit {
        end += 1;
        limit = limit.saturating_mul(10);
        if end == at + LONGEST_NUMBER {
            break;
        }
    }
    digits(number, &mut room[at..end]);
    end
}

/// In decimal, with a sign if it is negative.
pub fn signed(value: i64, room: &mut Room, at: usize) -> usize {
    let at = if value < 0 { put(*b"-", 1, room, at) } else { at };
    number(value.unsigned_abs(), room, at)
}

/// In decimal with leading zeros, `width` wide.
pub fn padded(number: u64, width: usize, room: &mut Room, at: usize) -> usize {
    digits(number, &mut room[at..at + width]);
    at + width
}

/// `part/whole`, both in decimal.
pub fn ratio(part: u32, whole: u32, room: &mut Room, at: usize) -> usize {
    let at = number(part.into(), room, at);
    room[at] = b'/';
    number(whole.into(), room, at + 1)
}

/// Nanoseconds as a number of `unit`s (of nanoseconds) with three decimals, cut.
pub fn thousandths(nanoseconds: u64, unit: u64, room: &mut Room, at: usize) -> usize {
    let at = number(nanoseconds / unit, room, at);
    room[at] = b'.';
    padded(nanoseconds % unit / (unit / 1000), 3, room, at + 1)
}

/// `value` as a number of `unit`s with two decimals, cut.
pub fn hundredths(value: u64, unit: u64, room: &mut Room, at: usize) -> usize {
    let at = number(value / unit, room, at);
    room[at] = b'.';
    padded(value % unit * 100 / unit, 2, room, at + 1)
}

/// Decimal digits of a u64.
const LONGEST_NUMBER: usize = 20;

/// Fills `room` with the last digits of `number`, two at a time.
fn digits(mut number: u64, room: &mut [u8]) {
    const PAIRS: [[u8; 2]; 100] = {
        let mut pairs = [[0; 2]; 100];
        let mut pair = 0;
        while pair < 100 {
            pairs[pair] = [b'0' + pair as u8 / 10, b'0' + pair as u8 % 10];
            pair += 1;
        }
        pairs
    };
    let (first, pairs) = room.as_rchunks_mut();
    for pair in pairs.iter_mut().rev() {
        *pair = PAIRS[(number % 100) as usize];
        number /= 100;
    }
    if let [first] = first {
        *first = b'0' + (number % 10) as u8;
    }
}

/// What `write` writes.
#[cfg(test)]
pub fn written(write: impl FnOnce(&mut Room, usize) -> usize) -> String {
    let mut room = [b' '; ROOM];
    let end = write(&mut room, 3);
    assert_eq!(&room[..3], b"   ");
    assert!(room[end..(end + 24).min(ROOM)].iter().all(|&byte| byte == b' '), "spaces follow");
    String::from_utf8(room[3..end].to_vec()).unwrap()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn thousandths_are_cut() {
        assert_eq!(written(|room, at| thousandths(12_345_678, 1_000_000, room, at)), "12.345");
    }

    #[test]
    fn hundredths_are_cut() {
        assert_eq!(written(|room, at| hundredths(1535, 1024, room, at)), "1.49");
        assert_eq!(written(|room, at| hundredths(5, 1024, room, at)), "0.00");
    }

    #[test]
    fn signs_are_shown() {
        assert_eq!(written(|room, at| signed(-12, room, at)), "-12");
        assert_eq!(written(|room, at| signed(i64::MIN, room, at)), i64::MIN.to_string());
    }

    #[test]
    fn padding_is_zeros() {
        assert_eq!(written(|room, at| padded(7, 9, room, at)), "000000007");
    }

    proptest! {
        #[test]
        fn numbers_agree_with_std(wide: u64, bits in 0..64) {
            let narrow = wide >> bits;
            prop_assert_eq!(written(|room, at| number(narrow, room, at)), narrow.to_string());
        }
    }
}
