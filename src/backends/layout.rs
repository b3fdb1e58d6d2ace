//! Where the records of classic tracepoints keep their fields, read from tracefs: struct layout of
//! bpf/tracepoints.h.

use crate::kernel::tracefs::Events;

/// The fields of struct layout in its order: event, field, the size that the C side reads.
const FIELDS: [(&str, &str, u16); 17] = [
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
    ("tcp/tcp_probe", "saddr", 28),
    ("tcp/tcp_probe", "daddr", 28),
    ("tcp/tcp_probe", "srtt", 4),
];

/// The bytes of struct layout for the running kernel, or the field that is not as expected. Of events
/// that are not `loaded` nobody reads anything, so they are not looked at.
pub fn read(events: &Events, loaded: impl Fn(&str) -> bool) -> Result<Vec<u8>, String> {
    fill(loaded, |event| events.format(event).map_err(|error| error.to_string()))
}

fn fill(loaded: impl Fn(&str) -> bool, format_of: impl Fn(&str) -> Result<String, String>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut format = ("", String::new()); // of the event of the field before
    for (event, field, size) in FIELDS {
        if !loaded(event) {
            bytes.extend_from_slice(&[0; 2]);
            continue;
        }
        if format.0 != event {
            format = (event, format_of(event)?);
        }
        match find(&format.1, field) {
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

    #[test]
    fn events_that_are_not_loaded_are_not_read() {
        let state = "sock/inet_sock_set_state";
        let has_it = |event: &str| {
            assert_eq!(event, state, "nobody asked for it");
            let fields = FIELDS.iter().filter(|(of, ..)| *of == state);
            Ok(fields.map(|(_, field, size)| format!("\tfield:int {field};\toffset:8;\tsize:{size};\n")).collect())
        };
        let bytes = fill(|event| event == state, has_it).unwrap();
        assert_eq!(bytes.len(), FIELDS.len() * 2);
        assert_eq!(bytes[..2], 8_u16.to_ne_bytes());
        assert_eq!(bytes[bytes.len() - 2..], [0, 0]);
        assert!(fill(|_| true, |_| Ok(String::new())).unwrap_err().contains("no field skaddr of 8 bytes"));
    }
}
