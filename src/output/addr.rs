//! Addresses as characters, by hand: std's formatting takes several times as long, and addresses are half
//! of a row.

use super::cell::Room;
use super::cell::put;
use super::cell::put_all;

/// `a.b.c.d`.
pub fn v4(addr: [u8; 4], room: &mut Room, at: usize) -> usize {
    /// Each number with the dot after it, and how long that is.
    const NUMBERS: [([u8; 4], u8); 256] = {
        let mut numbers = [(*b"    ", 0); 256];
        let mut number = 0;
        while number < 256 {
            let digits = [b'0' + (number / 100) as u8, b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
            numbers[number] = match digits {
                [b'0', b'0', c] => ([c, b'.', b' ', b' '], 2),
                [b'0', b, c] => ([b, c, b'.', b' '], 3),
                [a, b, c] => ([a, b, c, b'.'], 4),
            };
            number += 1;
        }
        numbers
    };
    let end = addr.into_iter().fold(at, |at, number| {
        let (text, len) = NUMBERS[usize::from(number)];
        put(text, len.into(), room, at)
    });
    room[end - 1] = b' '; // the last one's dot
    end - 1
}

/// The address as RFC 5952 writes it: lower case, the longest run of two or more zero groups as `::`,
/// an IPv4-mapped address with dots.
pub fn v6(addr: [u8; 16], room: &mut Room, mut at: usize) -> usize {
    if let [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] = addr {
        let at = put_all(b"::ffff:", room, at);
        return v4([a, b, c, d], room, at);
    }
    let groups: [u16; 8] = std::array::from_fn(|index| u16::from_be_bytes([addr[2 * index], addr[2 * index + 1]]));
    let zeros = longest_zero_run(groups);
    let mut index = 0;
    while index < groups.len() {
        if index == zeros.start && !zeros.is_empty() {
            at = put(*b"::", 2, room, at);
            index = zeros.end;
            continue;
        }
        if index > 0 && index != zeros.end {
            at = put(*b":", 1, room, at);
        }
        at = put_hex(groups[index], room, at);
        index += 1;
    }
    at
}

fn put_hex(group: u16, room: &mut Room, at: usize) -> usize {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |place: u32| DIGITS[usize::from(group >> (4 * place) & 0xf)];
    let digits = (16 - (group | 1).leading_zeros()).div_ceil(4);
    // All four, less the leading zeros, and spaces after them.
    let text = u64::from_le_bytes([digit(3), digit(2), digit(1), digit(0), b' ', b' ', b' ', b' ']);
    let text = (text >> (8 * (4 - digits))) as u32;
    put(text.to_le_bytes(), digits as usize, room, at)
}

/// The first of the longest runs of zero groups, empty where none has two groups.
fn longest_zero_run(groups: [u16; 8]) -> std::ops::Range<usize> {
    let mut longest = 0..0;
    let mut start = 0;
    for (index, group) in groups.into_iter().enumerate() {
        if group != 0 {
            start = index + 1;
        } else if index + 1 - start > longest.len().max(1) {
            longest = start..index + 1;
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::super::cell::written;
    use super::*;

    proptest! {
        #[test]
        fn v4_agrees_with_std(addr: [u8; 4]) {
            prop_assert_eq!(written(|room, at| v4(addr, room, at)), Ipv4Addr::from(addr).to_string());
        }

        #[test]
        fn v6_agrees_with_std(addr: [u8; 16]) {
            prop_assert_eq!(written(|room, at| v6(addr, room, at)), Ipv6Addr::from(addr).to_string());
        }

        /// Zero groups are rare in random addresses.
        #[test]
        fn sparse_v6_agrees_with_std(
            groups in prop::array::uniform8(prop_oneof![Just(0u16), Just(1), Just(0xffff), any::<u16>()])
        ) {
            let addr = Ipv6Addr::from(groups);
            prop_assert_eq!(written(|room, at| v6(addr.octets(), room, at)), addr.to_string());
        }
    }
}
