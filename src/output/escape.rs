//! Names and other foreign text are hostile: any process sets its own name, control characters included.

use super::Name;
use super::cell::Room;
use super::cell::put;
use super::cell::put_all;
use super::cell::quoted;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// `name` as one cell of a table, which can neither break a line nor command a terminal: printable ASCII
/// as it is, a backslash as `\\`, every other byte, blanks among them, as `\xNN`. Only an empty name
/// is `-`.
pub fn table(name: &Name, room: &mut Room, at: usize) -> usize {
    let name = Bytes::of(name);
    if name.len > 1 && name.are_plain(b'!', b'\\') {
        return put(name.padded(b' '), name.len, room, at);
    }
    match &name.padded(b' ')[..name.len] {
        [] => put(*b"-", 1, room, at),
        b"-" => put(*br"\x2d", 4, room, at),
        bytes => bytes.iter().fold(at, |at, &byte| {
            let (escaped, len) = printable(byte, b'!');
            put(escaped, len, room, at)
        }),
    }
}

/// The same for text of any length.
pub fn table_of_any_length(text: &[u8]) -> Vec<u8> {
    match text {
        [] => b"-".to_vec(),
        b"-" => br"\x2d".to_vec(),
        text => escaped(text, b'!'),
    }
}

/// `text` as a cell of CSV: escaped like a name in the table, but with its blanks, and in quotes where it has
/// a comma or a quote.
pub fn csv(text: &[u8]) -> Vec<u8> {
    let escaped = escaped(text, b' ');
    if !escaped.iter().any(|byte| b",\"".contains(byte)) {
        return escaped;
    }
    let doubled = escaped.into_iter().flat_map(|byte| [byte; 2].into_iter().take(1 + usize::from(byte == b'"')));
    [b'"'].into_iter().chain(doubled).chain([b'"']).collect()
}

fn escaped(text: &[u8], lowest: u8) -> Vec<u8> {
    let bytes = text.iter().map(|&byte| printable(byte, lowest));
    bytes.flat_map(|(escaped, len)| escaped.into_iter().take(len)).collect()
}

/// How a byte is shown, and how long that is. Bytes are printable from `lowest` on.
fn printable(byte: u8, lowest: u8) -> ([u8; 4], usize) {
    match byte {
        b'\\' => (*br"\\  ", 2),
        _ if (lowest..=b'~').contains(&byte) => ([byte, b' ', b' ', b' '], 1),
        _ => {
            let [high, low] = hex(byte);
            ([b'\\', b'x', high, low], 4)
        }
    }
}

/// `name` as a JSON string in ASCII: invalid UTF-8 as U+FFFD, all that is not printable ASCII as
/// `\uXXXX`.
pub fn json(name: &Name, room: &mut Room, at: usize) -> usize {
    let name = Bytes::of(name);
    if name.are_plain(b' ', b'"') {
        return quoted(room, at, |room, at| put(name.padded(b' '), name.len, room, at));
    }
    put_all(&json_of_any_length(&name.padded(b' ')[..name.len]), room, at)
}

/// The same for text of any length.
pub fn json_of_any_length(text: &[u8]) -> Vec<u8> {
    let mut json = vec![b'"'];
    let unicode = |json: &mut Vec<u8>, unit: u16| {
        json.extend_from_slice(b"\\u");
        json.extend(unit.to_be_bytes().into_iter().flat_map(hex));
    };
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '"' | '\\' => json.extend_from_slice(&[b'\\', char as u8]),
                ' '..='~' => json.push(char as u8),
                _ => char.encode_utf16(&mut [0; 2]).iter().for_each(|&unit| unicode(&mut json, unit)),
            }
        }
        if !chunk.invalid().is_empty() {
            unicode(&mut json, 0xfffd);
        }
    }
    json.push(b'"');
    json
}

/// A name up to its first NUL. All bytes are looked at at once, as one number: no branch for each of them.
#[derive(Clone, Copy)]
struct Bytes {
    bytes: u128,
    /// All bits of those bytes that count.
    keep: u128,
    len: usize,
}

impl Bytes {
    fn of(name: &Name) -> Self {
        let bytes = u128::from_le_bytes(*name);
        let len = below(bytes, 1).trailing_zeros() / 8;
        let keep = u128::MAX.checked_shr(128 - 8 * len).unwrap_or(0);
        Self { bytes, keep, len: len as usize }
    }

    /// With `filler` after it.
    fn padded(self, filler: u8) -> Name {
        (self.bytes & self.keep | each(filler) & !self.keep).to_le_bytes()
    }

    /// Whether it needs no escaping: printable ASCII from `lowest` on without a backslash and `quote`. That
    /// is how nearly all names are.
    fn are_plain(self, lowest: u8, quote: u8) -> bool {
        let bytes = u128::from_le_bytes(self.padded(lowest));
        let is = |byte| below(bytes ^ each(byte), 1);
        (below(bytes, lowest) | is(0x7f) | is(b'\\') | is(quote) | bytes & each(0x80)) == 0
    }
}

fn each(byte: u8) -> u128 {
    u128::from_ne_bytes([byte; 16])
}

/// Has the high bit of bytes that are less than `limit` (at most 128): always that of the lowest such byte, maybe that of
/// others above it, which a borrow can reach. 0 where no byte is less.
fn below(bytes: u128, limit: u8) -> u128 {
    bytes.wrapping_sub(each(limit)) & !bytes & each(0x80)
}

fn hex(byte: u8) -> [u8; 2] {
    [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cell;
    use super::*;

    const HOSTILE: &[u8] = b"a\n\x1b[31m \"b\\\xff";

    fn escaped(escape: fn(&Name, &mut Room, usize) -> usize, name: &[u8]) -> String {
        let mut padded = [0; 16];
        padded[..name.len()].copy_from_slice(name);
        cell::written(|room, at| escape(&padded, room, at))
    }

    #[test]
    fn a_hostile_name_is_harmless() {
        assert_eq!(escaped(table, HOSTILE), r#"a\x0a\x1b[31m\x20"b\\\xff"#);
        assert_eq!(escaped(json, HOSTILE), r#""a\u000a\u001b[31m \"b\\\ufffd""#);
    }

    #[test]
    fn a_dash_stands_for_an_empty_name_alone() {
        for (name, cell) in [("", "-"), ("-", r"\x2d"), (" ", r"\x20"), ("--", "--"), ("x", "x")] {
            assert_eq!(escaped(table, name.as_bytes()), cell);
            assert_eq!(escaped(json, name.as_bytes()), format!("\"{name}\""));
        }
    }

    #[test]
    fn json_keeps_what_is_valid() {
        assert_eq!(escaped(json, "é😀".as_bytes()), r#""\u00e9\ud83d\ude00""#);
    }

    #[test]
    fn what_follows_the_first_nul_is_no_name() {
        assert_eq!(escaped(table, b"name\0old\x01"), "name");
        assert_eq!(escaped(json, b"name\0old\x01"), r#""name""#);
    }

    proptest! {
        #[test]
        fn a_name_is_one_printable_cell(name: [u8; 16]) {
            let cell = escaped(table, &name);
            prop_assert!(!cell.is_empty() && cell.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
        }

        #[test]
        fn json_reads_back(name: [u8; 16]) {
            let read: String = serde_json::from_str(&escaped(json, &name)).unwrap();
            let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
            prop_assert_eq!(read, String::from_utf8_lossy(&name[..end]));
        }

        #[test]
        fn plain_names_stay(name in "[ !#-\\[\\]-~]{2,16}") {
            prop_assert_eq!(escaped(table, name.as_bytes()), name.replace(' ', r"\x20"));
            prop_assert_eq!(escaped(json, name.as_bytes()), format!("\"{name}\""));
        }
    }
}
