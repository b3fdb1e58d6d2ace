//! Addresses to text, by hand: std's formatting takes twice the time, and addresses are half of a row.

/// The longest text of an address, `ffff:` eight times less the last colon.
const LONGEST: usize = 39;

/// The text of one address under construction.
struct Digits {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Digits {
    fn new() -> Self {
        Self { bytes: [0; LONGEST], len: 0 }
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn push_decimal(&mut self, number: u8) {
        if number >= 100 {
            self.push(b'0' + number / 100);
        }
        if number >= 10 {
            self.push(b'0' + number / 10 % 10);
        }
        self.push(b'0' + number % 10);
    }

    fn push_hex(&mut self, group: u16) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = (16 - (group | 1).leading_zeros()).div_ceil(4);
        for place in (0..digits).rev() {
            self.push(DIGITS[usize::from(group >> (4 * place) & 0xf)]);
        }
    }
}

impl AsRef<[u8]> for Digits {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// `a.b.c.d`.
pub fn v4([a, b, c, d]: [u8; 4]) -> impl AsRef<[u8]> {
    let mut text = Digits::new();
    push_dotted(&mut text, [a, b, c, d]);
    text
}

fn push_dotted(text: &mut Digits, addr: [u8; 4]) {
    text.push_decimal(addr[0]);
    for byte in &addr[1..] {
        text.push(b'.');
        text.push_decimal(*byte);
    }
}

/// The address as RFC 5952 writes it: lower case, the longest run of two or more zero groups as `::`,
/// an IPv4-mapped address with dots.
pub fn v6(addr: [u8; 16]) -> impl AsRef<[u8]> {
    let mut text = Digits::new();
    if let [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] = addr {
        b"::ffff:".iter().for_each(|&byte| text.push(byte));
        push_dotted(&mut text, [a, b, c, d]);
        return text;
    }
    let groups: [u16; 8] = std::array::from_fn(|index| u16::from_be_bytes([addr[2 * index], addr[2 * index + 1]]));
    let zeros = longest_zero_run(groups);
    let mut index = 0;
    while index < groups.len() {
        if index == zeros.start && !zeros.is_empty() {
            text.push(b':');
            text.push(b':');
            index = zeros.end;
            continue;
        }
        if index > 0 && index != zeros.end {
            text.push(b':');
        }
        text.push_hex(groups[index]);
        index += 1;
    }
    text
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

    use super::*;

    fn text(digits: impl AsRef<[u8]>) -> String {
        String::from_utf8(digits.as_ref().to_vec()).unwrap()
    }

    proptest! {
        #[test]
        fn v4_agrees_with_std(addr: [u8; 4]) {
            prop_assert_eq!(text(v4(addr)), Ipv4Addr::from(addr).to_string());
        }

        #[test]
        fn v6_agrees_with_std(addr: [u8; 16]) {
            prop_assert_eq!(text(v6(addr)), Ipv6Addr::from(addr).to_string());
        }

        /// Zero groups are rare in random addresses.
        #[test]
        fn sparse_v6_agrees_with_std(
            groups in prop::array::uniform8(prop_oneof![Just(0u16), Just(1), Just(0xffff), any::<u16>()])
        ) {
            let addr = Ipv6Addr::from(groups);
            prop_assert_eq!(text(v6(addr.octets())), addr.to_string());
        }
    }
}
