//! Where the records of classic tracepoints keep their fields, read from tracefs: struct layout of
//! bpf/tracepoints.h.

use std::fs;
use std::path::Path;

/// The fields of struct layout in its order: event, field, the size that the C side reads.
const FIELDS: [(&str, &str, u16); 14] = [
    ("sock/inet_sock_set_state", "skaddr", 8),
    ("sock/inet_sock_set_state", "oldstate", 4),
    ("sock/inet_sock_set_state", "newstate", 4),
    ("sock/inet_sock_set_state", "sport", 2),
    ("sock/inet_sock_set_state", "dport", 2),
    ("sock/inet_sock_set_state", "family", 2),
    ("sock/inet_sock_set_state", "protocol", 2),
    ("sock/inet_sock_set_state", "saddr", 4),
    ("sock/inet_sock_set_state", "daddr", 4),
    ("sock/inet_sock_set_state", "saddr_v6", 16),
    ("sock/inet_sock_set_state", "daddr_v6", 16),
    ("tcp/tcp_retransmit_skb", "skaddr", 8),
    ("tcp/tcp_retransmit_skb", "state", 4),
    ("tcp/tcp_retransmit_skb", "sport", 2),
];

/// The bytes of struct layout for the running kernel, or the field that is not as expected.
pub fn read(tracefs: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for (event, field, size) in FIELDS {
        let path = tracefs.join("events").join(event).join("format");
        let format = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        match find(&format, field) {
            Some((offset, found)) if found == size => bytes.extend_from_slice(&offset.to_ne_bytes()),
            _ => return Err(format!("tracepoint {event} has no field {field} of {size} bytes")),
        }
    }
    Ok(bytes)
}

/// Offset and size of `field` in a tracepoint's format file, whose lines read
/// `field:TYPE NAME; offset:N; size:N; signed:N;` with NAME maybe an array.
#[must_use]
pub fn find(format: &str, field: &str) -> Option<(u16, u16)> {
    format.lines().find_map(|line| {
        let mut parts = line.trim().split(';').map(str::trim);
        let declaration = parts.next()?.strip_prefix("field:")?;
        let name = declaration.split_whitespace().last()?;
        if name.split('[').next()? != field {
            return None;
        }
        let offset = parts.next()?.strip_prefix("offset:")?.parse().ok()?;
        let size = parts.next()?.strip_prefix("size:")?.parse().ok()?;
        Some((offset, size))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_fields_and_arrays() {
        let format = "name: inet_sock_set_state\nformat:\n\
            \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
            \tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;\n\
            \tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;\n\
            \tfield:__u8 saddr_v6[16];\toffset:40;\tsize:16;\tsigned:0;\n";
        assert_eq!(find(format, "skaddr"), Some((8, 8)));
        assert_eq!(find(format, "saddr"), Some((32, 4)));
        assert_eq!(find(format, "saddr_v6"), Some((40, 16)));
        assert_eq!(find(format, "daddr"), None);
    }
}
