//! What was really done: one connection accepted, told by the process that did it.

use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;

use anyhow::Result;
use nix::errno::Errno;
use serde::Deserialize;
use serde::Serialize;

use super::socket::peer;
use crate::common::doer::Doer;
use crate::common::message::Message;
use crate::common::row::Row;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::actor::tell;
use crate::common::scenario::clock::now;
use crate::common::scenario::socket::Socket;
use crate::common::subject::Deed;

/// How the connection left its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Door {
    /// accept(2) or accept4(2), by a 64-bit process.
    Accept,
    /// The same by the system call table of 32-bit processes.
    Compat,
    IoUring,
    /// accept(2) that could not store the peer's address, and closed the connection.
    FailedLate,
}

/// What is known of the listening socket's queue, once the connection has left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Queue {
    Is {
        waiting: u32,
        limit: u32,
    },
    /// Others come and go at the same time, of which so many can still wait.
    Moves {
        most: u32,
        limit: u32,
    },
    /// As Is, but the listening socket's descriptor was closed during the call.
    Orphaned {
        waiting: u32,
        limit: u32,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Accepted {
    pub by: Doer,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub door: Door,
    pub mptcp: bool,
    /// Its peer had reset it before.
    pub reset: bool,
    /// The thread was already waiting when tracing began.
    pub from_before: bool,
    pub queue: Queue,
}

impl Accepted {
    /// By accept(2), alone in a queue of the usual limit.
    pub fn new(by: Doer, local: SocketAddr, remote: SocketAddr) -> Accepted {
        let canonical = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
        Accepted {
            by: Doer { returned: now(), ..by },
            local: canonical(local),
            remote: canonical(remote),
            door: Door::Accept,
            mptcp: false,
            reset: false,
            from_before: false,
            queue: Queue::Is { waiting: 0, limit: 128 },
        }
    }

    pub fn tell(self) -> Result<()> {
        tell(&Message::Deed(self))
    }
}

/// Accepts by `call`; what the socket itself says of its two ends.
pub fn accept(actor: &Actor, call: impl FnOnce() -> Result<Socket, Errno>) -> Result<(Socket, Accepted)> {
    let by = actor.doer();
    let socket = call()?;
    let accepted = Accepted::new(by, socket.local()?, peer(&socket)?);
    Ok((socket, accepted))
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Accepted { by, local, remote, door, .. } = self;
        write!(f, "{}: process {}, {remote} at {local}, by {door:?}", by.case, by.pid)
    }
}

impl Deed for Accepted {
    const TOOL: &'static str = "tcpaccept";

    fn by(&self) -> &Doer {
        &self.by
    }

    fn ip(&self) -> u8 {
        if self.local.is_ipv4() { 4 } else { 6 }
    }

    fn port(&self) -> Option<u16> {
        Some(self.local.port())
    }

    fn remote(&self) -> Option<IpAddr> {
        Some(self.remote.ip())
    }

    fn local(&self) -> Option<IpAddr> {
        Some(self.local.ip())
    }

    fn may_be(&self, row: &Row) -> bool {
        let port = |key, end: SocketAddr| row.number(key) == Some(end.port());
        let same_ends = || port("rport", self.remote) && port("lport", self.local);
        row.pid() == Some(self.by.pid) || self.by.nested && row.pid() == Some(0) && same_ends()
    }
}
