//! Addresses to text, by hand: std's formatting takes twice the time, and addresses are half of a row.

/// Appends `a.b.c.d`.
pub fn push_v4(addr: [u8; 4], out: &mut Vec<u8>) {
    for (index, byte) in addr.into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        out.extend_from_slice(itoa::Buffer::new().format(byte).as_bytes());
    }
}

/// Appends the address as RFC 5952 writes it: lower case, the longest run of two or more zero groups
/// as `::`, an IPv4-mapped address with dots.
pub fn push_v6(addr: [u8; 16], out: &mut Vec<u8>) {
    if let [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] = addr {
        out.extend_from_slice(b"::ffff:");
        return push_v4([a, b, c, d], out);
    }
    let group = |index: usize| u16::from_be_bytes([addr[2 * index], addr[2 * index + 1]]);
    let zeros = longest_zero_run(group);
    let mut index = 0;
    while index < 8 {
        if index == zeros.start && !zeros.is_empty() {
            out.extend_from_slice(b"::");
            index = zeros.end;
            continue;
        }
        if index > 0 && index != zeros.end {
            out.push(b':');
        }
        push_hex(group(index), out);
        index += 1;
    }
}

/// The first of the longest runs of zero groups, empty where none has two groups.
fn longest_zero_run(group: impl Fn(usize) -> u16) -> std::ops::Range<usize> {
    let mut longest = 0..0;
    let mut start = 0;
    for index in 0..8 {
        if group(index) != 0 {
            start = index + 1;
        } else if index + 1 - start > longest.len().max(1) {
            longest = start..index + 1;
        }
    }
    longest
}

fn push_hex(group: u16, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = (16 - (group | 1).leading_zeros()).div_ceil(4);
    for place in (0..digits).rev() {
        out.push(DIGITS[usize::from(group >> (4 * place) & 0xf)]);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;

    fn v6(addr: [u8; 16]) -> String {
        let mut out = Vec::new();
        push_v6(addr, &mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn v4_agrees_with_std(addr: [u8; 4]) {
            let mut out = Vec::new();
            push_v4(addr, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), Ipv4Addr::from(addr).to_string());
        }

        #[test]
        fn v6_agrees_with_std(addr: [u8; 16]) {
            prop_assert_eq!(v6(addr), Ipv6Addr::from(addr).to_string());
        }

        /// Zero groups are rare in random addresses.
        #[test]
        fn sparse_v6_agrees_with_std(groups in prop::array::uniform8(prop_oneof![Just(0u16), Just(1), Just(0xffff), any::<u16>()])) {
            let addr = Ipv6Addr::from(groups);
            prop_assert_eq!(v6(addr.octets()), addr.to_string());
        }
    }
}
