//! The kernel's own table of TCP sockets, to see what other processes and the kernel itself do.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::Result;

use crate::common::scenario::wait::until;

const ESTABLISHED: &str = "01";
const SYN_SENT: &str = "02";

/// The local port of an attempt to that destination port, while its SYN is unanswered.
pub fn syn_sent(dport: u16) -> Option<u16> {
    find(|socket| socket.state == SYN_SENT && socket.remote_port == dport)
}

pub fn wait_syn_sent(dport: u16) -> Result<u16> {
    until("a socket in SYN_SENT", || syn_sent(dport))
}

/// The local port of a connection from that address.
pub fn wait_established(from: Ipv4Addr, dport: u16) -> Result<u16> {
    until("a connection", || {
        find(|socket| socket.state == ESTABLISHED && socket.local == Some(from) && socket.remote_port == dport)
    })
}

struct Entry<'a> {
    /// Of an IPv4 socket.
    local: Option<Ipv4Addr>,
    local_port: u16,
    remote_port: u16,
    state: &'a str,
}

fn find(is_it: impl Fn(&Entry) -> bool) -> Option<u16> {
    ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .find_map(|table| {
            let mut entries = table.lines().skip(1).filter_map(entry);
            entries.find(&is_it).map(|entry| entry.local_port)
        })
}

/// A line is `sl local remote state …`; all in hex, an IPv4 address as a number in the machine's order.
fn entry(line: &str) -> Option<Entry<'_>> {
    let mut words = line.split_whitespace().skip(1);
    let (local, local_port) = words.next()?.split_once(':')?;
    let (_, remote_port) = words.next()?.split_once(':')?;
    Some(Entry {
        local: u32::from_str_radix(local, 16).ok().map(|number| number.to_ne_bytes().into()),
        local_port: u16::from_str_radix(local_port, 16).ok()?,
        remote_port: u16::from_str_radix(remote_port, 16).ok()?,
        state: words.next()?,
    })
}
