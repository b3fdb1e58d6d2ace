//! Takes the line numbers out of a compiled object (line_info of .BTF.ext): a third of it, and of use only in the log of
//! a verifier that refuses a program.

/// The object without them; `None` where it is not as expected.
pub fn strip(object: &[u8]) -> Option<Vec<u8>> {
    const SECTION_HEADER: usize = 64;
    let u16_at = |at: usize| Some(u16::from_le_bytes(object.get(at..at + 2)?.try_into().ok()?) as usize);
    let u64_at = |at: usize| Some(u64::from_le_bytes(object.get(at..at + 8)?.try_into().ok()?) as usize);
    let (headers_at, count, names) = (u64_at(0x28)?, u16_at(0x3c)?, u16_at(0x3e)?);
    let header = |number: usize| headers_at + number * SECTION_HEADER;
    let names_at = u64_at(header(names) + 0x18)?;
    let mut headers = object.get(headers_at..header(count))?.to_vec();
    let mut stripped = object.get(..64)?.to_vec();
    for number in 0..count {
        let (at, len) = (u64_at(header(number) + 0x18)?, u64_at(header(number) + 0x20)?);
        let has_bytes = u32::from_le_bytes(object.get(header(number) + 4..header(number) + 8)?.try_into().ok()?) != 8; // SHT_NOBITS
        let name =
            names_at + u32::from_le_bytes(object.get(header(number)..header(number) + 4)?.try_into().ok()?) as usize;
        let bytes = if has_bytes { object.get(at..at + len)? } else { &[] };
        let bytes = if object.get(name..)?.starts_with(b".BTF.ext\0") { without_lines(bytes)? } else { bytes.to_vec() };
        let align = u64_at(header(number) + 0x30)?.max(1);
        stripped.resize(stripped.len().next_multiple_of(align), 0);
        let own = number * SECTION_HEADER;
        headers[own + 0x18..own + 0x20].copy_from_slice(&(stripped.len() as u64).to_le_bytes());
        if has_bytes {
            headers[own + 0x20..own + 0x28].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        }
        stripped.extend(bytes);
    }
    stripped.resize(stripped.len().next_multiple_of(8), 0);
    let end = stripped.len() as u64;
    stripped[0x28..0x30].copy_from_slice(&end.to_le_bytes());
    stripped.extend(headers);
    Some(stripped)
}

/// The header: magic, version and flags, its length; then where each of three parts begins behind it, and its length.
fn without_lines(ext: &[u8]) -> Option<Vec<u8>> {
    let word = |at: usize| Some(u32::from_le_bytes(ext.get(at..at + 4)?.try_into().ok()?) as usize);
    let (header, functions, relocations) = (word(4)?, (word(8)?, word(12)?), (word(24)?, word(28)?));
    let part = |(at, len): (usize, usize)| ext.get(header + at..header + at + len);
    let mut stripped = ext.get(..header)?.to_vec();
    let len = functions.1 as u32;
    for (at, value) in [(8, 0), (16, len), (20, 0), (24, len)] {
        stripped[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    stripped.extend(part(functions)?);
    stripped.extend(part(relocations)?);
    Some(stripped)
}
