//! The ways to accept.

use std::fs;
use std::io;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;
use std::ptr;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use io_uring::IoUring;
use io_uring::opcode;
use io_uring::squeue;
use io_uring::types;
use nix::errno::Errno;

use super::accepted::Accepted;
use super::accepted::Door;
use super::accepted::accept;
use super::socket::client;
use super::socket::is_connected_to;
use super::socket::peer;
use super::socket::reset;
use super::socket::wait_queued;
use crate::common::doer::Thread;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::actor::skip;
use crate::common::scenario::compat;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;
use crate::common::scenario::wait::until;

pub fn queued(actor: &Actor, ip: Ip) -> Result<()> {
    let (listener, at) = actor.listen(ip)?;
    let _client = client(at)?;
    let (_socket, accepted) = accept(actor, || listener.accept4())?;
    accepted.tell()
}

/// An IPv4 client of an IPv6 socket.
pub fn mapped(actor: &Actor) -> Result<()> {
    let listener = Socket::listener(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), actor.port()), 128)?;
    let port = listener.local()?.port();
    let _client = client(SocketAddr::new(Ip::V4.localhost(), port))?;
    let (_socket, accepted) = accept(actor, || listener.accept4())?;
    ensure!(accepted.remote.is_ipv4(), "its peer speaks IPv4");
    accepted.tell()
}

/// accept(2), the older system call, and one that asks for the peer's address.
pub fn accept_without_4(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen(Ip::V4)?;
    let _client = client(at)?;
    let (_socket, accepted) =
        accept(actor, || nix::sys::socket::accept(listener.as_raw_fd()).map(Socket::of_descriptor))?;
    accepted.tell()
}

/// A call that finds nothing gives no row.
pub fn nonblocking(actor: &Actor) -> Result<()> {
    let listener = Socket::nonblocking(Ip::V4)?;
    listener.bind(SocketAddr::new(Ip::V4.localhost(), actor.port()))?;
    listener.listen(128)?;
    for _ in 0..3 {
        ensure!(listener.accept4().err() == Some(Errno::EAGAIN), "there is nothing to accept");
    }
    let _client = client(listener.local()?)?;
    wait_queued(&[&listener])?;
    let (_socket, accepted) = accept(actor, || listener.accept4())?;
    ensure!(listener.accept4().err() == Some(Errno::EAGAIN), "there is nothing more to accept");
    accepted.tell()
}

/// The first asks for a cookie, the second has it and sends data in its SYN.
pub fn fast_open(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen_fast_open()?;
    for _ in 0..2 {
        let client = Socket::tcp(Ip::V4)?;
        client.send_fast_open(at, b"x").context("sendto")?;
        let (_socket, accepted) = accept(actor, || listener.accept4())?;
        accepted.tell()?;
    }
    Ok(())
}

pub fn mptcp(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen_mptcp()?;
    let client = Socket::mptcp()?;
    client.connect(at).context("connect")?;
    let (_socket, accepted) = accept(actor, || listener.accept4())?;
    Accepted { mptcp: true, ..accepted }.tell()
}

/// Reset by its client while it waits.
pub fn mptcp_reset_before(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen_mptcp()?;
    let client = Socket::mptcp()?;
    client.connect(at).context("connect")?;
    let remote = client.local()?;
    reset(client)?;
    until("the reset", || (!is_connected_to(remote.port()).ok()?).then_some(()))?;
    let by = actor.doer();
    let _socket = listener.accept4().context("accept4")?;
    Accepted { mptcp: true, reset: true, ..Accepted::new(by, at, remote) }.tell()
}

/// What an MPTCP socket accepts from a client without MPTCP is a plain TCP socket.
pub fn mptcp_plain_peer(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen_mptcp()?;
    let _client = client(at)?;
    let (_socket, accepted) = accept(actor, || listener.accept4())?;
    accepted.tell()
}

fn by_io_uring(actor: &Actor, flags: squeue::Flags) -> Result<Accepted> {
    let (listener, at) = actor.listen(Ip::V4)?;
    let _client = client(at)?;
    wait_queued(&[&listener])?;
    let mut ring = match IoUring::new(2) {
        Ok(ring) => ring,
        Err(error) => return skip(format!("io_uring: {error}")),
    };
    let entry = opcode::Accept::new(types::Fd(listener.as_raw_fd()), ptr::null_mut(), ptr::null_mut());
    let entry = entry.build().flags(flags);
    let mut completed = || -> io::Result<i32> {
        // SAFETY: the entry has no pointers.
        unsafe { ring.submission().push(&entry) }.map_err(io::Error::other)?;
        ring.submit_and_wait(1)?;
        let completion = ring.completion().next().map(|completion| completion.result());
        completion.ok_or_else(|| io::Error::other("no completion"))
    };
    let call = || match completed() {
        Ok(fd @ 0..) => Ok(Socket::of_descriptor(fd)),
        Ok(error) => Err(Errno::from_raw(-error)),
        Err(error) => Err(Errno::try_from(error).unwrap_or(Errno::EIO)),
    };
    let (_socket, accepted) = accept(actor, call)?;
    Ok(Accepted { door: Door::IoUring, ..accepted })
}

pub fn io_uring(actor: &Actor) -> Result<()> {
    by_io_uring(actor, squeue::Flags::empty())?.tell()
}

pub fn io_uring_worker(actor: &Actor) -> Result<()> {
    let mut accepted = by_io_uring(actor, squeue::Flags::ASYNC)?;
    accepted.by.thread = Thread::Worker;
    accepted.tell()
}

pub fn compat(actor: &Actor) -> Result<()> {
    const ACCEPT4: u64 = 364;
    let (listener, at) = actor.listen(Ip::V4)?;
    let _client = client(at)?;
    let by = actor.doer();
    // SAFETY: no pointers.
    let result = unsafe { compat::call(ACCEPT4, [listener.as_raw_fd() as u64, 0, 0, 0]) }?;
    let socket = Socket::of_descriptor(result.context("accept4")?);
    let accepted = Accepted::new(by, socket.local()?, peer(&socket)?);
    Accepted { door: Door::Compat, ..accepted }.tell()
}

/// Accepted, and closed again, as the peer's address cannot be stored.
pub fn bad_address(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen(Ip::V4)?;
    let client = client(at)?;
    wait_queued(&[&listener])?;
    let by = actor.doer();
    let mut length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: the kernel refuses the address; nothing is written there.
    let result = unsafe { libc::accept(listener.as_raw_fd(), ptr::without_provenance_mut(1), &raw mut length) };
    ensure!(Errno::result(result) == Err(Errno::EFAULT), "it gave {result}");
    let accepted = Accepted::new(by, at, client.local()?);
    Accepted { door: Door::FailedLate, ..accepted }.tell()
}

/// Everything that looks like it and is none.
pub fn nothing_accepted(actor: &Actor) -> Result<()> {
    let path = std::env::temp_dir().join(format!("bpftools-accept-{}", std::process::id()));
    let unix = UnixListener::bind(&path).context("a Unix socket")?;
    let _client = UnixStream::connect(&path).context("its client")?;
    unix.accept().context("accepting it")?;
    fs::remove_file(&path).context("removing it")?;

    let fails = |socket: &Socket, errno| {
        let result = socket.accept4().map(drop);
        ensure!(result == Err(errno), "it gave {result:?}, not {errno:?}");
        Ok(())
    };
    fails(&Socket::tcp(Ip::V4)?, Errno::EINVAL)?;
    fails(&Socket::udp(Ip::V4)?, Errno::EOPNOTSUPP)?;
    // A connected socket listens to nobody.
    let (_listener, at) = actor.listen(Ip::V4)?;
    fails(&client(at)?, Errno::EINVAL)?;
    // SAFETY: the kernel refuses the descriptor.
    let result = unsafe { libc::accept(-1, ptr::null_mut(), ptr::null_mut()) };
    ensure!(Errno::result(result) == Err(Errno::EBADF), "it gave {result}");
    Ok(())
}
