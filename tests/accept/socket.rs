//! What only those who accept ask of a socket.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::poll;
use nix::sys::socket::getpeername;

use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;

/// A client that is connected, so that there is something to accept.
pub fn client(to: SocketAddr) -> Result<Socket> {
    let client = Socket::tcp(Ip::of(to.ip()))?;
    client.connect(to).context("connect")?;
    Ok(client)
}

pub fn peer(socket: &Socket) -> Result<SocketAddr> {
    Socket::address(&getpeername(socket.as_raw_fd()).context("getpeername")?)
}

/// Waits for a connection in the queue of one of them (on loopback it may come a moment after connect(2)
/// returns): which one.
pub fn wait_queued(listeners: &[&Socket]) -> Result<usize> {
    let mut fds =
        listeners.iter().map(|listener| PollFd::new(listener.borrowed(), PollFlags::POLLIN)).collect::<Vec<_>>();
    ensure!(poll(&mut fds, 10_000_u16).context("poll")? == 1, "it is to wait in one queue");
    fds.iter().position(|fd| fd.any() == Some(true)).context("in none")
}

/// How many connections wait to be accepted, and how many may.
pub fn queue(listener: &Socket) -> Result<(u32, u32)> {
    // SAFETY: plain data; all zeroes is a valid value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&info) as libc::socklen_t;
    let value = (&raw mut info).cast();
    // SAFETY: the kernel writes at most `length` bytes to `value`.
    let result =
        unsafe { libc::getsockopt(listener.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, value, &mut length) };
    Errno::result(result).context("TCP_INFO")?;
    Ok((info.tcpi_unacked, info.tcpi_sacked))
}

/// Closes it with a RST.
pub fn reset(socket: Socket) -> Result<()> {
    let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
    socket.set_option(libc::SOL_SOCKET, libc::SO_LINGER, &at_once).context("SO_LINGER")
}

/// Whether the kernel's table of IPv4 sockets has a connection to that port.
pub fn is_connected_to(port: u16) -> Result<bool> {
    let table = fs::read_to_string("/proc/thread-self/net/tcp").context("the table of sockets")?;
    Ok(table.contains(&format!(":{port:04X} 01 "))) // remote port, ESTABLISHED
}
