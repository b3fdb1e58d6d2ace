//! Errors that routers on the way report. The scenario plays the router: it sends itself what one
//! would send, about a SYN that a silent peer did not answer.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;

use super::attempt::Fate;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;

/// An ICMP message about a packet of ours.
pub struct Icmp {
    pub ip: Ip,
    pub kind: u8,
    pub code: u8,
    /// What TCP makes of it.
    pub errno: Errno,
}

pub const HOST_UNREACHABLE: Icmp = Icmp { ip: Ip::V4, kind: 3, code: 1, errno: Errno::EHOSTUNREACH };
pub const NET_UNREACHABLE: Icmp = Icmp { ip: Ip::V4, kind: 3, code: 0, errno: Errno::ENETUNREACH };
pub const V6_ADDRESS_UNREACHABLE: Icmp = Icmp { ip: Ip::V6, kind: 1, code: 3, errno: Errno::EHOSTUNREACH };

pub fn unreachable(actor: &Actor, icmp: &Icmp) -> Result<()> {
    let (_peer, to) = actor.silent(icmp.ip)?;
    let socket = Socket::nonblocking(icmp.ip)?;
    let attempt = actor.connect(&socket, to).gave(Err(Errno::EINPROGRESS))?;
    report(icmp, &socket, to)?;
    let outcome = socket.outcome()?;
    ensure!(outcome == Err(icmp.errno), "the outcome is {outcome:?}");
    attempt.ended(Fate::Failed(format!("{:?}", icmp.errno)))
}

/// Sends the message about the socket's SYN to ourselves.
fn report(icmp: &Icmp, socket: &Socket, to: SocketAddr) -> Result<()> {
    let from = socket.local()?;
    let mut message = vec![icmp.kind, icmp.code, 0, 0, 0, 0, 0, 0];
    let protocol = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            message.extend(ipv4_header(from, to));
            libc::IPPROTO_ICMP
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            message.extend(ipv6_header(from, to));
            libc::IPPROTO_ICMPV6 // the kernel fills in the checksum of these
        }
        mixed => unreachable!("one socket, two families: {mixed:?}"),
    };
    message.extend(tcp_header(from.port(), to.port(), sequence_of_syn(socket)?));
    if icmp.ip == Ip::V4 {
        let sum = checksum(&message).to_be_bytes();
        message[2..4].copy_from_slice(&sum);
    }
    let raw = Socket::new(icmp.ip, libc::SOCK_RAW, protocol)?;
    raw.send_to(SocketAddr::new(from.ip(), 0), &message).context("sending the ICMP message")
}

const TCP_HEADER: u16 = 20;

fn ipv4_header(from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((20 + TCP_HEADER).to_be_bytes());
    header.extend([0, 0, 0x40, 0, 64, libc::IPPROTO_TCP as u8, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    header
}

fn ipv6_header(from: Ipv6Addr, to: Ipv6Addr) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(TCP_HEADER.to_be_bytes());
    header.extend([libc::IPPROTO_TCP as u8, 64]);
    header.extend(from.octets());
    header.extend(to.octets());
    header
}

fn tcp_header(sport: u16, dport: u16, sequence: u32) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(sport.to_be_bytes());
    header.extend(dport.to_be_bytes());
    header.extend(sequence.to_be_bytes());
    header.resize(TCP_HEADER.into(), 0);
    header[12] = 0x50;
    header
}

/// TCP believes only messages about what it has sent. TCP_REPAIR tells the next sequence number.
fn sequence_of_syn(socket: &Socket) -> Result<u32> {
    const OFF_WITHOUT_PROBE: libc::c_int = -1;
    const SEND_QUEUE: libc::c_int = 2;
    socket.set(libc::IPPROTO_TCP, libc::TCP_REPAIR, 1).context("TCP_REPAIR")?;
    socket.set(libc::IPPROTO_TCP, libc::TCP_REPAIR_QUEUE, SEND_QUEUE).context("TCP_REPAIR_QUEUE")?;
    let next = socket.get(libc::IPPROTO_TCP, libc::TCP_QUEUE_SEQ).context("TCP_QUEUE_SEQ")?;
    socket.set(libc::IPPROTO_TCP, libc::TCP_REPAIR, OFF_WITHOUT_PROBE).context("TCP_REPAIR off")?;
    Ok((next as u32).wrapping_sub(1))
}

fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}
