//! What was really done: one end of a connection, from its birth to its end, told by who did it.

use std::fmt;
use std::net::IpAddr;
use std::net::SocketAddr;

use anyhow::Result;
use serde::Deserialize;
use serde::Serialize;

use crate::common::doer::Doer;
use crate::common::doer::Moment;
use crate::common::message::Message;
use crate::common::row::Row;
use crate::common::scenario::actor::tell;
use crate::common::subject::Deed;

/// Who did what by which a process may be known.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Users {
    pub connected: Option<Doer>,
    pub accepted: Option<Doer>,
    /// The first to read what there was to read.
    pub read: Option<Doer>,
    /// The first to close or shut down what the other side had not reset.
    pub closed: Option<Doer>,
    /// Who had it open when tracing began: of several the one with the lowest PID.
    pub open: Option<Doer>,
    pub shared: bool,
}

/// What TCP_INFO said before the end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Info {
    pub retransmits: u32,
    pub segs_out: u32,
    pub segs_in: u32,
    /// In microseconds, where it was measured.
    pub min_rtt: Option<u32>,
    pub rcv_ooo: u32,
    pub cong: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// Who plays the case; it ended between the two moments.
    pub by: Doer,
    pub users: Users,
    pub local: Option<SocketAddr>,
    pub remote: SocketAddr,
    /// Between which moments it was born; `None`: before tracing began.
    pub born: Option<(Moment, Moment)>,
    pub tx: u64,
    pub rx: u64,
    pub end: String,
    pub info: Option<Info>,
    /// A connect that failed: no connection.
    pub failed: bool,
    /// The tool ends before it does.
    pub pending: bool,
}

impl Ended {
    pub fn tell(self) -> Result<()> {
        tell(&Message::Deed(self))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ended { by, local, remote, end, .. } = self;
        write!(f, "{}: process {}, {local:?} to {remote}, {end}", by.case, by.pid)
    }
}

impl Deed for Ended {
    const TOOL: &'static str = "tcplife";

    fn by(&self) -> &Doer {
        &self.by
    }

    fn ip(&self) -> u8 {
        if self.remote.is_ipv4() { 4 } else { 6 }
    }

    fn port(&self) -> Option<u16> {
        Some(self.remote.port())
    }

    fn has_port(&self, port: u16) -> bool {
        self.remote.port() == port || self.local.is_some_and(|local| local.port() == port)
    }

    fn remote(&self) -> Option<IpAddr> {
        Some(self.remote.ip())
    }

    fn local(&self) -> Option<IpAddr> {
        self.local.map(|local| local.ip())
    }

    fn is_pending(&self) -> bool {
        self.pending
    }

    fn may_be(&self, row: &Row) -> bool {
        let local = self.local.is_none_or(|local| row.number("lport") == Some(local.port()));
        local && row.number("rport") == Some(self.remote.port())
    }
}
