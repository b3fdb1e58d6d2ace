//! MPTCP: what counts is its subflows. The first is connected by the caller; others are joined by
//! the kernel itself, in a thread of its own.

use std::net::Ipv4Addr;
use std::net::SocketAddr;

use anyhow::Context;
use anyhow::Result;
use nix::errno::Errno;

use super::attempt::Fate;
use super::attempt::Path;
use super::netlink::Attribute;
use super::netlink::Generic;
use super::sockets_table::wait_established;
use crate::common::doer::Thread;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::network;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;

pub fn accepted(actor: &Actor) -> Result<()> {
    let (_listener, to) = actor.listen_mptcp()?;
    let socket = Socket::mptcp()?;
    actor.connect(&socket, to).gave(Ok(()))?.ended(Fate::Established)
}

pub fn refused(actor: &Actor) -> Result<()> {
    let socket = Socket::mptcp()?;
    actor.connect(&socket, actor.closed(Ip::V4)).gave(Err(Errno::ECONNREFUSED))?.failed()
}

pub fn no_route(actor: &Actor) -> Result<()> {
    let socket = Socket::mptcp()?;
    let to = SocketAddr::new(network::NO_ROUTE_V4.into(), actor.port());
    actor.connect(&socket, to).gave(Err(Errno::ENETUNREACH))?.not_sent()
}

/// A second address of ours, which the path manager uses for a subflow more.
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

pub fn joined_by_kernel(actor: &Actor) -> Result<()> {
    network::enter_new()?;
    let (listener, to) = actor.listen_mptcp()?;
    // A socket takes over the limits when it is made.
    offer_subflow_from(SECOND).context("the path manager")?;
    let socket = Socket::mptcp()?;
    let joined = actor.begin(&socket, to).by(Path::Kernel);
    actor.connect(&socket, to).gave(Ok(()))?.ended(Fate::Established)?;
    // The server's side has to accept and both to speak before a subflow may join.
    let served = listener.accept()?;
    socket.write(b"x").context("speaking")?;
    served.write(b"x").context("answering")?;
    let sport = wait_established(SECOND, to.port())?;
    let mut joined = joined.seen_under_way(sport);
    joined.attempt.by.thread = Thread::Kernel;
    joined.attempt.saddr = Some(SECOND.into());
    joined.attempt.bound = true; // by the path manager, to that address and a port
    joined.ended(Fate::Established)
}

/// Numbers of <linux/mptcp_pm.h>.
fn offer_subflow_from(address: Ipv4Addr) -> Result<()> {
    const ADD_ADDR: u8 = 1;
    const SET_LIMITS: u8 = 5;
    const ATTR_ADDR: u16 = 1;
    const ATTR_SUBFLOWS: u16 = 3;
    const ADDR_FAMILY: u16 = 1;
    const ADDR_ADDR4: u16 = 3;
    const ADDR_FLAGS: u16 = 6;
    const FLAG_SUBFLOW: u32 = 2;
    let path_manager = Generic::family("mptcp_pm")?;
    path_manager.request(SET_LIMITS, &[Attribute::new(ATTR_SUBFLOWS, &4_u32.to_ne_bytes())])?;
    let parts = [
        Attribute::new(ADDR_FAMILY, &(libc::AF_INET as u16).to_ne_bytes()),
        Attribute::new(ADDR_ADDR4, &address.octets()),
        Attribute::new(ADDR_FLAGS, &FLAG_SUBFLOW.to_ne_bytes()),
    ];
    path_manager.request(ADD_ADDR, &[Attribute::nested(ATTR_ADDR, &parts)])?;
    Ok(())
}
