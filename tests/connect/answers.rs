//! What every client meets: peers that accept, refuse or do not answer.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;

use super::attempt::Fate;
use super::tries::Try;
use super::unfinished::NEARLY_A_SECOND;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;
use crate::common::scenario::socket::mapped;
use crate::common::scenario::wait::until;

pub fn accepted(actor: &Actor, ip: Ip) -> Result<()> {
    let (_listener, to) = actor.listen(ip)?;
    let socket = Socket::tcp(ip)?;
    actor.connect(&socket, to).gave(Ok(()))?.ended(Fate::Established)
}

pub fn refused(actor: &Actor, ip: Ip) -> Result<()> {
    let socket = Socket::tcp(ip)?;
    actor.connect(&socket, actor.closed(ip)).gave(Err(Errno::ECONNREFUSED))?.failed()
}

/// Waits for the outcome of an attempt that connect(2) only began.
fn wait(attempt: Try, socket: &Socket, wanted: Result<(), Errno>) -> Result<()> {
    let outcome = socket.outcome()?;
    ensure!(outcome == wanted, "the outcome is {outcome:?}, not {wanted:?}");
    match outcome {
        Ok(()) => attempt.timed_by(socket).ended(Fate::Established),
        Err(errno) => attempt.ended(Fate::Failed(format!("{errno:?}"))),
    }
}

pub fn nonblocking_accepted(actor: &Actor, ip: Ip) -> Result<()> {
    let (_listener, to) = actor.listen(ip)?;
    let socket = Socket::nonblocking(ip)?;
    let attempt = actor.connect(&socket, to).gave(Err(Errno::EINPROGRESS))?;
    wait(attempt, &socket, Ok(()))
}

pub fn nonblocking_refused(actor: &Actor, ip: Ip) -> Result<()> {
    let socket = Socket::nonblocking(ip)?;
    let attempt = actor.connect(&socket, actor.closed(ip)).gave(Err(Errno::EINPROGRESS))?;
    wait(attempt, &socket, Err(Errno::ECONNREFUSED))
}

/// A peer that was silent accepts or refuses from now on, which is after the first SYN.
fn speak(peer: Socket, wanted: Result<(), Errno>) -> Result<Option<Socket>> {
    until("the first SYN", || (peer.drops().ok()? > 0).then_some(()))?;
    match wanted {
        Ok(()) => peer.drop_none().map(|()| Some(peer)),
        Err(_) => Ok(None), // it is closed
    }
}

/// The peer answers the second SYN, which is sent a second after the first.
pub fn late(actor: &Actor, wanted: Result<(), Errno>) -> Result<()> {
    let (peer, to) = actor.silent(Ip::V4)?;
    let socket = Socket::tcp(Ip::V4)?;
    let attempt = thread::scope(|scope| {
        let peer = scope.spawn(|| speak(peer, wanted));
        let attempt = actor.connect(&socket, to).gave(wanted)?;
        let _peer = peer.join().expect("the thread does not panic")?;
        Ok::<_, anyhow::Error>(attempt.took_at_least(NEARLY_A_SECOND))
    })?;
    if wanted.is_ok() { attempt.ended(Fate::Established) } else { attempt.failed() }
}

pub fn nonblocking_late(actor: &Actor, wanted: Result<(), Errno>) -> Result<()> {
    let (peer, to) = actor.silent(Ip::V4)?;
    let socket = Socket::nonblocking(Ip::V4)?;
    let attempt = actor.connect(&socket, to).gave(Err(Errno::EINPROGRESS))?;
    let _peer = speak(peer, wanted)?;
    wait(attempt.took_at_least(NEARLY_A_SECOND), &socket, wanted)
}

/// A retry is no attempt: neither the call that collects the outcome, nor those after it.
pub fn retried_accepted(actor: &Actor) -> Result<()> {
    let (_listener, to) = actor.listen(Ip::V4)?;
    let socket = Socket::nonblocking(Ip::V4)?;
    let attempt = actor.connect(&socket, to).gave(Err(Errno::EINPROGRESS))?;
    wait(attempt, &socket, Ok(()))?;
    ensure!(socket.connect(to) == Ok(()), "the retry is to collect the outcome");
    ensure!(socket.connect(to) == Err(Errno::EISCONN), "it is to be connected");
    Ok(())
}

/// The call that collects the refusal is none; the one after it is a new attempt.
pub fn retried_refused(actor: &Actor) -> Result<()> {
    let to = actor.closed(Ip::V4);
    let socket = Socket::nonblocking(Ip::V4)?;
    for _ in 0..2 {
        let attempt = actor.connect(&socket, to).gave(Err(Errno::EINPROGRESS))?;
        socket.wait_until_over()?;
        ensure!(socket.connect(to) == Err(Errno::ECONNREFUSED), "a retry is to collect the refusal");
        attempt.ended(Fate::Failed("ECONNREFUSED".to_owned()))?;
    }
    Ok(())
}

/// An AF_INET6 socket that speaks IPv4.
pub fn mapped_accepted(actor: &Actor) -> Result<()> {
    let (_listener, to) = actor.listen(Ip::V4)?;
    let socket = Socket::tcp(Ip::V6)?;
    actor.connect(&socket, mapped(to)).gave(Ok(()))?.ended(Fate::Established)
}

pub fn mapped_refused(actor: &Actor) -> Result<()> {
    let socket = Socket::tcp(Ip::V6)?;
    let to = mapped(actor.closed(Ip::V4));
    actor.connect(&socket, to).gave(Err(Errno::ECONNREFUSED))?.failed()
}

/// Another source address, and a chosen port: known from the first moment.
pub fn bound_v4(actor: &Actor) -> Result<()> {
    let (_listener, to) = actor.listen(Ip::V4)?;
    let socket = Socket::tcp(Ip::V4)?;
    socket.bind(SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), actor.port()))?;
    actor.connect(&socket, to).gave(Ok(()))?.ended(Fate::Established)
}

/// A chosen port, but no address.
pub fn bound_port(actor: &Actor, ip: Ip) -> Result<()> {
    let (_listener, to) = actor.listen(ip)?;
    let socket = Socket::tcp(ip)?;
    socket.bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), actor.port()))?;
    actor.connect(&socket, to).gave(Ok(()))?.ended(Fate::Established)
}

/// To `0.0.0.0` or `::`: the kernel goes to localhost, and so the row says.
pub fn to_unspecified(actor: &Actor, ip: Ip) -> Result<()> {
    let (_listener, to) = actor.listen(ip)?;
    let unspecified = match ip {
        Ip::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Ip::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = Socket::tcp(ip)?;
    let to_unspecified = SocketAddr::new(unspecified, to.port());
    let mut attempt = actor.connect(&socket, to_unspecified).gave(Ok(()))?;
    attempt.attempt.daddr = Some(to.ip());
    attempt.ended(Fate::Established)
}

/// The kernel gives the memory of one socket to the next.
pub fn reused_at_once(actor: &Actor) -> Result<()> {
    let (_listener, open) = actor.listen(Ip::V4)?;
    for _ in 0..20 {
        let socket = Socket::tcp(Ip::V4)?;
        actor.connect(&socket, open).gave(Ok(()))?.ended(Fate::Established)?;
        drop(socket);
        refused(actor, Ip::V4)?;
    }
    Ok(())
}

/// Both ends are one socket: simultaneous open, SYN_SENT → SYN_RECV → ESTABLISHED.
pub fn self_connect(actor: &Actor) -> Result<()> {
    let own = actor.closed(Ip::V4);
    let socket = Socket::tcp(Ip::V4)?;
    socket.bind(own)?;
    actor.connect(&socket, own).gave(Ok(()))?.ended(Fate::Established)
}

/// The socket remembers the port of its last connection; that is not this one's.
pub fn disconnected_and_again(actor: &Actor) -> Result<()> {
    let ((_one, to_one), (_other, to_other)) = (actor.listen(Ip::V4)?, actor.listen(Ip::V4)?);
    let socket = Socket::tcp(Ip::V4)?;
    actor.connect(&socket, to_one).gave(Ok(()))?.ended(Fate::Established)?;
    socket.disconnect()?;
    actor.connect(&socket, to_other).gave(Ok(()))?.ended(Fate::Established)?;
    socket.disconnect()?;
    actor.connect(&socket, actor.closed(Ip::V4)).gave(Err(Errno::ECONNREFUSED))?.failed()
}

/// A socket under TCP_REPAIR is connected without a packet.
pub fn repaired(actor: &Actor) -> Result<()> {
    let socket = Socket::tcp(Ip::V4)?;
    socket.set(libc::IPPROTO_TCP, libc::TCP_REPAIR, 1).context("TCP_REPAIR")?;
    actor.connect(&socket, actor.closed(Ip::V4)).gave(Ok(()))?.without_syn().ended(Fate::Established)
}
