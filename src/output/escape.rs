//! Process names are hostile text: any process sets its own, control characters included.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `name` so that it can neither break a line nor command a terminal: printable ASCII as it
/// is, a backslash as `\\`, every other byte as `\xNN`.
pub fn push_text(name: &[u8], out: &mut Vec<u8>) {
    for &byte in name {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x20..=0x7e => out.push(byte),
            _ => {
                let [high, low] = hex(byte);
                out.extend_from_slice(&[b'\\', b'x', high, low]);
            }
        }
    }
}

/// Appends `name` as a JSON string in ASCII: invalid UTF-8 as U+FFFD, all that is not printable ASCII
/// as `\uXXXX`.
pub fn push_json(name: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    if name.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        out.extend_from_slice(name); // nearly always
        out.push(b'"');
        return;
    }
    for chunk in name.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '"' | '\\' => out.extend_from_slice(&[b'\\', char as u8]),
                ' '..='~' => out.push(char as u8),
                _ => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        push_unicode(*unit, out);
                    }
                }
            }
        }
        if !chunk.invalid().is_empty() {
            push_unicode(0xfffd, out);
        }
    }
    out.push(b'"');
}

fn push_unicode(unit: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\u");
    for byte in unit.to_be_bytes() {
        out.extend_from_slice(&hex(byte));
    }
}

fn hex(byte: u8) -> [u8; 2] {
    [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOSTILE: &[u8] = b"a\n\x1b[31m\"b\\\xff";

    fn escaped(push: fn(&[u8], &mut Vec<u8>), name: &[u8]) -> String {
        let mut out = Vec::new();
        push(name, &mut out);
        String::from_utf8(out).expect("escaped names are ASCII")
    }

    #[test]
    fn a_hostile_name_is_harmless() {
        assert_eq!(escaped(push_text, HOSTILE), r#"a\x0a\x1b[31m"b\\\xff"#);
        assert_eq!(escaped(push_json, HOSTILE), r#""a\u000a\u001b[31m\"b\\\ufffd""#);
    }

    #[test]
    fn json_keeps_what_is_valid() {
        assert_eq!(escaped(push_json, "é😀".as_bytes()), r#""\u00e9\ud83d\ude00""#);
    }

    proptest! {
        #[test]
        fn text_is_printable_ascii(name: Vec<u8>) {
            prop_assert!(escaped(push_text, &name).bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
        }

        #[test]
        fn json_reads_back(name: Vec<u8>) {
            let read: String = serde_json::from_str(&escaped(push_json, &name)).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&name));
        }
    }
}
