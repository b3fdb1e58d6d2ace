//! Attempts to connect, as a case makes and tells them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use nix::errno::Errno;
use nix::unistd::Pid;

use super::attempt::Attempt;
use super::attempt::Fate;
use super::attempt::Path;
use super::attempt::Shown;
use crate::common::message::Message;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::actor::tell;
use crate::common::scenario::clock::now;
use crate::common::scenario::network;
use crate::common::scenario::socket::Socket;

impl Actor<'_> {
    /// An attempt of the calling thread, from now on, by this socket to that destination.
    pub fn begin(&self, socket: &Socket, to: SocketAddr) -> Try {
        let bound = socket.bound();
        let daddr = to.ip().to_canonical();
        let attempt = Attempt {
            ip: if daddr.is_ipv4() { 4 } else { 6 },
            saddr: bound.map(|b| b.ip().to_canonical()).filter(|ip| !ip.is_unspecified()),
            sport: bound.map(|b| b.port()),
            bound: bound.is_some_and(|b| b.port() != 0),
            daddr: Some(daddr),
            dport: Some(to.port()),
            path: Path::Connect,
            fate: Fate::Pending,
            told: false,
            syn: true,
            over_ns: 0,
            took_at_least_ns: 1,
            round_trip_ns: 0,
            shown: Shown::Always,
            by: self.doer(),
        };
        Try { attempt, result: Ok(()) }
    }

    /// connect(2), and what came of it.
    pub fn connect(&self, socket: &Socket, to: SocketAddr) -> Try {
        let attempt = self.begin(socket, to);
        let result = socket.connect(to);
        attempt.returned(socket, result)
    }
}

/// An attempt of which connect(2) has told its part.
#[must_use = "an attempt that is not told is an unexpected row"]
pub struct Try {
    pub attempt: Attempt,
    result: Result<(), Errno>,
}

impl Try {
    /// The call is over: takes the time, and the port that the socket got.
    pub fn returned(mut self, socket: &Socket, result: Result<(), Errno>) -> Try {
        self.attempt.by.returned = now();
        self.result = result;
        if !self.attempt.bound
            && let Ok(local) = socket.local()
        {
            self.attempt.sport = Some(local.port()).filter(|&port| port != 0);
        }
        if result.is_ok() { self.timed_by(socket) } else { self }
    }

    /// The connection is there: it took as long as the kernel itself has measured.
    pub fn timed_by(mut self, socket: &Socket) -> Try {
        self.attempt.round_trip_ns = socket.min_rtt().unwrap_or_default().as_nanos() as u64;
        self
    }

    /// Holds connect(2) to what the case is about.
    pub fn gave(self, wanted: Result<(), Errno>) -> Result<Try> {
        ensure!(self.result == wanted, "connect gave {:?}, not {wanted:?}", self.result);
        Ok(self)
    }

    pub fn by(mut self, path: Path) -> Try {
        self.attempt.path = path;
        self
    }

    pub fn shown(mut self, shown: Shown) -> Try {
        self.attempt.shown = shown;
        self
    }

    /// The outcome cannot have come before this much time.
    pub fn took_at_least(mut self, time: Duration) -> Try {
        self.attempt.took_at_least_ns = time.as_nanos() as u64;
        self
    }

    /// Another process made the attempt, under the same name as ours.
    pub fn of_process(mut self, pid: Pid) -> Try {
        self.attempt.by = self.attempt.by.of_process(pid);
        self
    }

    pub fn nested(mut self) -> Try {
        self.attempt.by = self.attempt.by.nested();
        self
    }

    pub fn without_syn(mut self) -> Try {
        self.attempt.syn = false;
        self
    }

    /// The caller gave no usable address.
    pub fn without_address(mut self) -> Try {
        self.attempt.daddr = None;
        self.attempt.dport = None;
        self
    }

    /// Another process is in connect(2), and its SYN is out.
    pub fn seen_under_way(mut self, sport: u16) -> Try {
        self.attempt.by.returned = now();
        self.attempt.sport = Some(sport);
        self
    }

    /// connect(2) failed at once: the errno that it gave is the outcome.
    pub fn denied(self) -> Result<()> {
        self.failed_with(Fate::Denied)
    }

    pub fn not_sent(self) -> Result<()> {
        self.failed_with(Fate::NotSent)
    }

    pub fn no_port(self) -> Result<()> {
        self.failed_with(Fate::NoPort)
    }

    /// A blocking connect(2) brought the peer's answer, or the lack of one.
    pub fn failed(self) -> Result<()> {
        self.failed_with(Fate::Failed)
    }

    fn failed_with(mut self, fate: fn(String) -> Fate) -> Result<()> {
        let Err(errno) = self.result else { bail!("connect did not fail") };
        self.attempt.told = true;
        self.ended(fate(format!("{errno:?}")))
    }

    /// The outcome is there. Prints the attempt.
    pub fn ended(mut self, fate: Fate) -> Result<()> {
        let attempt = &mut self.attempt;
        attempt.over_ns = now().boot_ns;
        if fate.entered_syn_sent() && attempt.saddr.is_none() {
            attempt.saddr = attempt.daddr.map(network::source_for);
        } else if !fate.entered_syn_sent() && !attempt.bound {
            attempt.sport = None;
        }
        if matches!(fate, Fate::NoPort(_)) && !attempt.bound {
            attempt.sport = None;
        }
        attempt.fate = fate;
        tell(&Message::Deed(self.attempt))
    }
}
