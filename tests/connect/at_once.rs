//! Attempts that fail before their SYN, and calls that are no attempts at all.

use std::mem::size_of;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::SocketAddrV4;
use std::net::SocketAddrV6;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;

use super::attempt::Fate;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::bpf;
use crate::common::scenario::network;
use crate::common::scenario::network::NO_ROUTE_V4;
use crate::common::scenario::network::NO_ROUTE_V6;
use crate::common::scenario::network::REJECTED_V4;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;
use crate::common::scenario::socket::mapped;
use crate::common::scenario::socket::raw_v4;
use crate::common::scenario::socket::raw_v6;

pub fn not_sent(actor: &Actor, ip: Ip, to: SocketAddr, errno: Errno) -> Result<()> {
    let socket = Socket::tcp(ip)?;
    actor.connect(&socket, to).gave(Err(errno))?.not_sent()
}

pub fn no_route_v4(actor: &Actor) -> Result<()> {
    not_sent(actor, Ip::V4, SocketAddr::new(NO_ROUTE_V4.into(), actor.port()), Errno::ENETUNREACH)
}

pub fn no_route_v6(actor: &Actor) -> Result<()> {
    not_sent(actor, Ip::V6, SocketAddr::new(NO_ROUTE_V6.into(), actor.port()), Errno::ENETUNREACH)
}

/// Known from the first moment, though no SYN was sent: the source.
pub fn no_route_bound(actor: &Actor) -> Result<()> {
    let socket = Socket::tcp(Ip::V4)?;
    socket.bind(SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), actor.port()))?;
    let to = SocketAddr::new(NO_ROUTE_V4.into(), actor.port());
    actor.connect(&socket, to).gave(Err(Errno::ENETUNREACH))?.not_sent()
}

pub fn no_route_mapped(actor: &Actor) -> Result<()> {
    let to = mapped(SocketAddr::new(NO_ROUTE_V4.into(), actor.port()));
    not_sent(actor, Ip::V6, to, Errno::ENETUNREACH)
}

pub fn no_route_nonblocking(actor: &Actor) -> Result<()> {
    let socket = Socket::nonblocking(Ip::V4)?;
    let to = SocketAddr::new(NO_ROUTE_V4.into(), actor.port());
    // Each call is an attempt: none is ever under way.
    for _ in 0..2 {
        actor.connect(&socket, to).gave(Err(Errno::ENETUNREACH))?.not_sent()?;
    }
    Ok(())
}

pub fn rejected_by_route(actor: &Actor) -> Result<()> {
    not_sent(actor, Ip::V4, SocketAddr::new(REJECTED_V4.into(), actor.port()), Errno::EHOSTUNREACH)
}

pub fn multicast_v4(actor: &Actor) -> Result<()> {
    let to = SocketAddr::new(Ipv4Addr::new(224, 0, 0, 1).into(), actor.port());
    not_sent(actor, Ip::V4, to, Errno::ENETUNREACH)
}

pub fn multicast_v6(actor: &Actor) -> Result<()> {
    let to = SocketAddr::new(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).into(), actor.port());
    not_sent(actor, Ip::V6, to, Errno::ENETUNREACH)
}

/// A socket that shall not speak IPv4 is asked to.
pub fn v6_only_mapped(actor: &Actor) -> Result<()> {
    let socket = Socket::tcp(Ip::V6)?;
    socket.set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1).context("IPV6_V6ONLY")?;
    let to = mapped(actor.closed(Ip::V4));
    actor.connect(&socket, to).gave(Err(Errno::ENETUNREACH))?.not_sent()
}

/// An IPv6 address for an IPv4 socket: shown as asked for.
pub fn wrong_family(actor: &Actor) -> Result<()> {
    let to = SocketAddrV6::new(Ipv6Addr::LOCALHOST, actor.port(), 0, 0);
    let socket = Socket::tcp(Ip::V4)?;
    let attempt = actor.begin(&socket, to.into());
    let result = socket.connect_raw(&raw_v6(to), size_of::<libc::sockaddr_in6>());
    attempt.returned(&socket, result).gave(Err(Errno::EAFNOSUPPORT))?.not_sent()
}

/// An address cut after its family: what follows is anybody's guess, and not to be shown.
pub fn short_address(actor: &Actor) -> Result<()> {
    let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, actor.port());
    let socket = Socket::tcp(Ip::V4)?;
    let attempt = actor.begin(&socket, to.into());
    let result = socket.connect_raw(&raw_v4(to), size_of::<libc::sa_family_t>());
    attempt.returned(&socket, result).gave(Err(Errno::EINVAL))?.without_address().not_sent()
}

/// A connection that exists already, between the same two ends.
pub fn port_in_use(actor: &Actor, ip: Ip) -> Result<()> {
    let (_listener, to) = actor.listen(ip)?;
    let own = SocketAddr::new(ip.localhost(), actor.port());
    let socket = || -> Result<Socket> {
        let socket = Socket::tcp(ip)?;
        socket.set(libc::SOL_SOCKET, libc::SO_REUSEADDR, 1).context("SO_REUSEADDR")?;
        Ok(socket)
    };
    let (first, second) = (socket()?, socket()?);
    first.bind(own)?;
    second.bind(own)?;
    actor.connect(&first, to).gave(Ok(()))?.ended(Fate::Established)?;
    actor.connect(&second, to).gave(Err(Errno::EADDRNOTAVAIL))?.no_port()
}

/// A namespace of its own, in which the kernel can choose a single port.
pub fn with_one_port() -> Result<()> {
    network::enter_new()?;
    network::set("ipv4/ip_local_port_range", "40001 40001")
}

pub fn no_free_port(actor: &Actor, ip: Ip) -> Result<()> {
    with_one_port()?;
    let (_listener, to) = actor.listen(ip)?;
    let (first, second) = (Socket::tcp(ip)?, Socket::tcp(ip)?);
    actor.connect(&first, to).gave(Ok(()))?.ended(Fate::Established)?;
    actor.connect(&second, to).gave(Err(Errno::EADDRNOTAVAIL))?.no_port()
}

/// The socket remembers an error and a port of its last attempt; neither is of this one.
pub fn no_free_port_again(actor: &Actor) -> Result<()> {
    with_one_port()?;
    let (_listener, to) = actor.listen(Ip::V4)?;
    let (first, again) = (Socket::tcp(Ip::V4)?, Socket::nonblocking(Ip::V4)?);
    actor.connect(&first, to).gave(Ok(()))?.ended(Fate::Established)?;
    let (_peer, silent) = actor.silent(Ip::V4)?;
    let aborted = actor.connect(&again, silent).gave(Err(Errno::EINPROGRESS))?;
    again.disconnect()?;
    aborted.ended(Fate::Closed)?;
    actor.connect(&again, to).gave(Err(Errno::EADDRNOTAVAIL))?.no_port()
}

/// Refused by a program of the process's cgroup: before TCP hears of it.
pub fn denied_by_cgroup(actor: &Actor) -> Result<()> {
    let cgroup = bpf::DenyingCgroup::enter()?;
    let socket = Socket::tcp(Ip::V4)?;
    let result = actor.connect(&socket, actor.closed(Ip::V4)).gave(Err(Errno::EPERM));
    let told = result.and_then(|attempt| attempt.denied());
    cgroup.leave()?;
    told
}

/// Everything that looks like an attempt and is none.
pub fn no_attempts(actor: &Actor) -> Result<()> {
    let (listener, to) = actor.listen(Ip::V4)?;
    let SocketAddr::V4(to_v4) = to else { unreachable!("an IPv4 listener") };
    let length = size_of::<libc::sockaddr_in>();
    let fails = |result: Result<(), Errno>, errno| {
        ensure!(result == Err(errno), "it gave {result:?}, not {errno:?}");
        Ok(())
    };
    Socket::udp(Ip::V4)?.connect(to).context("UDP")?;
    ensure!(UnixStream::connect("/nowhere/at/all").is_err(), "nobody listens there");
    fails(listener.connect(to), Errno::EISCONN)?;
    let fresh = Socket::tcp(Ip::V4)?;
    fresh.disconnect()?;
    fails(fresh.connect_raw(&raw_v4(to_v4), 0), Errno::EINVAL)?;
    // SAFETY: the kernel refuses the address; nothing is read.
    let result = unsafe { libc::connect(fresh.as_raw_fd(), std::ptr::null(), length as _) };
    fails(Errno::result(result).map(drop), Errno::EFAULT)?;
    // SAFETY: the kernel refuses the descriptor; nothing is read.
    let result = unsafe { libc::connect(-1, (&raw const to_v4).cast(), length as _) };
    fails(Errno::result(result).map(drop), Errno::EBADF)
}
