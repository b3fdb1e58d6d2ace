//! The other ways into tcp_vX_connect than connect(2): Fast Open, io_uring, the system call table
//! of 32-bit processes.

use std::mem::size_of;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use io_uring::IoUring;
use io_uring::opcode;
use io_uring::squeue;
use io_uring::types;
use nix::errno::Errno;

use super::at_once;
use super::attempt::Fate;
use super::attempt::Path;
use super::tries::Try;
use crate::common::doer::Thread;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::actor::skip;
use crate::common::scenario::compat;
use crate::common::scenario::network::NO_ROUTE_V4;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;
use crate::common::scenario::socket::raw_v4;

fn nowhere(actor: &Actor) -> SocketAddr {
    SocketAddr::new(NO_ROUTE_V4.into(), actor.port())
}

// --- TCP Fast Open ---

/// sendto(2) that connects; the first to a peer asks for a cookie and waits for the handshake.
fn send(actor: &Actor, to: SocketAddr) -> Result<(Socket, Try)> {
    let socket = Socket::tcp(Ip::V4)?;
    let attempt = actor.begin(&socket, to).by(Path::FastOpenSend);
    let result = socket.send_fast_open(to, b"x").map(drop);
    let attempt = attempt.returned(&socket, result);
    Ok((socket, attempt))
}

fn send_and_wait(actor: &Actor, to: SocketAddr) -> Result<()> {
    let (socket, attempt) = send(actor, to)?;
    let attempt = attempt.gave(Ok(()))?;
    ensure!(socket.outcome()? == Ok(()), "it is to be accepted");
    attempt.ended(Fate::Established)
}

pub fn fast_open_send(actor: &Actor) -> Result<()> {
    let (_listener, to) = actor.listen_fast_open()?;
    send_and_wait(actor, to)?;
    send_and_wait(actor, to) // this time with the cookie, and data in the SYN
}

pub fn fast_open_send_refused(actor: &Actor) -> Result<()> {
    let (_socket, attempt) = send(actor, actor.closed(Ip::V4))?;
    attempt.gave(Err(Errno::ECONNREFUSED))?.failed()
}

pub fn fast_open_send_no_route(actor: &Actor) -> Result<()> {
    let (_socket, attempt) = send(actor, nowhere(actor))?;
    attempt.gave(Err(Errno::ENETUNREACH))?.not_sent()
}

/// connect(2) returns 0 at once, from SYN_SENT; the SYN leaves with the first write.
pub fn fast_open_deferred(actor: &Actor) -> Result<()> {
    let (_listener, to) = actor.listen_fast_open()?;
    send_and_wait(actor, to)?; // fetches the cookie
    let socket = Socket::tcp(Ip::V4)?;
    socket.set(libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1).context("TCP_FASTOPEN_CONNECT")?;
    let attempt = actor.connect(&socket, to).gave(Ok(()))?;
    socket.write(b"x").context("the write that sends the SYN")?;
    ensure!(socket.outcome()? == Ok(()), "it is to be accepted");
    attempt.ended(Fate::Established)
}

/// Deferred, and closed before any write: no SYN ever left.
pub fn fast_open_never_sent(actor: &Actor) -> Result<()> {
    let (_listener, to) = actor.listen_fast_open()?;
    send_and_wait(actor, to)?;
    let socket = Socket::tcp(Ip::V4)?;
    socket.set(libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1).context("TCP_FASTOPEN_CONNECT")?;
    let attempt = actor.connect(&socket, to).gave(Ok(()))?;
    drop(socket);
    attempt.without_syn().ended(Fate::Closed)
}

// --- io_uring ---

/// Connects by io_uring; what its completion says.
fn submit(socket: &Socket, to: SocketAddr, flags: squeue::Flags) -> Result<Result<(), Errno>> {
    let SocketAddr::V4(to) = to else { unreachable!("these cases speak IPv4") };
    let mut ring = match IoUring::new(2) {
        Ok(ring) => ring,
        Err(error) => return skip(format!("io_uring: {error}")),
    };
    let address = raw_v4(to);
    let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    let entry = opcode::Connect::new(types::Fd(socket.as_raw_fd()), (&raw const address).cast(), length);
    // SAFETY: the address lives until the completion is there.
    unsafe { ring.submission().push(&entry.build().flags(flags)) }.context("the submission queue")?;
    ring.submit_and_wait(1).context("io_uring_enter")?;
    let completion = ring.completion().next().context("no completion")?;
    Ok(match completion.result() {
        0 => Ok(()),
        error => Err(Errno::from_raw(-error)),
    })
}

fn by_io_uring(actor: &Actor, to: SocketAddr, flags: squeue::Flags) -> Result<Try> {
    let socket = Socket::tcp(Ip::V4)?;
    let mut attempt = actor.begin(&socket, to).by(Path::IoUring);
    if flags.contains(squeue::Flags::ASYNC) {
        attempt.attempt.by.thread = Thread::Worker;
    }
    let result = submit(&socket, to, flags)?;
    Ok(attempt.returned(&socket, result))
}

pub fn io_uring_accepted(actor: &Actor) -> Result<()> {
    let (_listener, to) = actor.listen(Ip::V4)?;
    by_io_uring(actor, to, squeue::Flags::empty())?.gave(Ok(()))?.ended(Fate::Established)
}

pub fn io_uring_refused(actor: &Actor) -> Result<()> {
    let to = actor.closed(Ip::V4);
    by_io_uring(actor, to, squeue::Flags::empty())?.gave(Err(Errno::ECONNREFUSED))?.failed()
}

pub fn io_uring_no_route(actor: &Actor) -> Result<()> {
    let to = nowhere(actor);
    by_io_uring(actor, to, squeue::Flags::empty())?.gave(Err(Errno::ENETUNREACH))?.not_sent()
}

pub fn io_uring_no_free_port(actor: &Actor) -> Result<()> {
    at_once::with_one_port()?;
    let (_listener, to) = actor.listen(Ip::V4)?;
    let first = Socket::tcp(Ip::V4)?;
    actor.connect(&first, to).gave(Ok(()))?.ended(Fate::Established)?;
    by_io_uring(actor, to, squeue::Flags::empty())?.gave(Err(Errno::EADDRNOTAVAIL))?.no_port()
}

pub fn io_uring_worker_accepted(actor: &Actor) -> Result<()> {
    let (_listener, to) = actor.listen(Ip::V4)?;
    by_io_uring(actor, to, squeue::Flags::ASYNC)?.gave(Ok(()))?.ended(Fate::Established)
}

pub fn io_uring_worker_refused(actor: &Actor) -> Result<()> {
    let to = actor.closed(Ip::V4);
    by_io_uring(actor, to, squeue::Flags::ASYNC)?.gave(Err(Errno::ECONNREFUSED))?.failed()
}

// --- 32-bit processes ---

fn compat_connect(actor: &Actor, to: SocketAddr) -> Result<Try> {
    let socket = Socket::tcp(Ip::V4)?;
    let address = compat::LowAddress::new(to)?;
    let attempt = actor.begin(&socket, to).by(Path::Compat);
    let result = address.connect(&socket)?;
    Ok(attempt.returned(&socket, result))
}

pub fn compat_accepted(actor: &Actor) -> Result<()> {
    let (_listener, to) = actor.listen(Ip::V4)?;
    compat_connect(actor, to)?.gave(Ok(()))?.ended(Fate::Established)
}

pub fn compat_refused(actor: &Actor) -> Result<()> {
    compat_connect(actor, actor.closed(Ip::V4))?.gave(Err(Errno::ECONNREFUSED))?.failed()
}

pub fn compat_no_route(actor: &Actor) -> Result<()> {
    compat_connect(actor, nowhere(actor))?.gave(Err(Errno::ENETUNREACH))?.not_sent()
}
