//! The process that plays one case: what it can do, and how it tells what it did.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use nix::errno::Errno;
use nix::unistd::Pid;
use nix::unistd::getpid;
use nix::unistd::gettid;
use nix::unistd::getuid;

use super::clock::now;
use super::network;
use super::process::Stage;
use super::socket::Ip;
use super::socket::Socket;
use crate::common::attempt::Attempt;
use crate::common::attempt::Fate;
use crate::common::attempt::Message;
use crate::common::attempt::Moment;
use crate::common::attempt::Path;
use crate::common::attempt::Shown;
use crate::common::attempt::Thread;
use crate::common::cgroup;

/// Why a case cannot be played on this machine; as an error, so that `?` carries it out.
#[derive(Debug)]
pub struct Skip(pub String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

pub fn skip<T>(why: impl Into<String>) -> Result<T> {
    Err(Skip(why.into()).into())
}

pub struct Actor<'a> {
    case: &'static str,
    next_port: AtomicU16,
    stage: &'a Stage<'a>,
}

impl<'a> Actor<'a> {
    /// `ports` is the first of this case's own destination ports.
    pub fn new(case: &'static str, ports: u16, stage: &'a Stage<'a>) -> Actor<'a> {
        Actor { case, next_port: AtomicU16::new(ports), stage }
    }

    /// Only where [`super::Turn::FromBefore`] left this to the case.
    pub fn wait_for_start(&self) -> Result<()> {
        self.stage.wait_for_start()
    }

    /// Only in [`super::Turn::UntilTheEnd`].
    pub fn hold_until_the_end(&self) -> Result<()> {
        self.stage.hold_until_the_end()
    }

    /// A destination port that no other attempt uses.
    pub fn port(&self) -> u16 {
        self.next_port.fetch_add(1, Ordering::Relaxed)
    }

    /// A listening socket on a port of its own. Nobody needs to accept: its backlog does.
    pub fn listen(&self, ip: Ip) -> Result<(Socket, SocketAddr)> {
        let at = SocketAddr::new(ip.localhost(), self.port());
        Ok((Socket::listener(at, 128)?, at))
    }

    /// A port on which nobody listens.
    pub fn closed(&self, ip: Ip) -> SocketAddr {
        SocketAddr::new(ip.localhost(), self.port())
    }

    /// A peer that never answers: a listening socket whose filter drops all that comes.
    pub fn silent(&self, ip: Ip) -> Result<(Socket, SocketAddr)> {
        let (listener, at) = self.listen(ip)?;
        listener.drop_all()?;
        Ok((listener, at))
    }

    /// An attempt of the calling thread, from now on, by this socket to that destination.
    pub fn begin(&self, socket: &Socket, to: SocketAddr) -> Try {
        let bound = socket.bound();
        let daddr = to.ip().to_canonical();
        let mut attempt = Attempt {
            case: self.case.to_owned(),
            pid: getpid().as_raw() as u32,
            thread: Thread::Known { tid: gettid().as_raw() as u32, comm: own_comm() },
            uid: getuid().as_raw(),
            cgroup_id: cgroup::own_id(),
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
            began: Moment::default(),
            returned: Moment::default(),
            over_ns: 0,
            took_at_least_ns: 1,
            shown: Shown::Always,
        };
        attempt.began = now(); // last, so that the attempt lies close behind it
        Try { attempt, result: Ok(()) }
    }

    /// connect(2), and what came of it.
    pub fn connect(&self, socket: &Socket, to: SocketAddr) -> Try {
        let attempt = self.begin(socket, to);
        let result = socket.connect(to);
        attempt.returned(socket, result)
    }
}

fn own_comm() -> Vec<u8> {
    let mut comm = fs::read("/proc/thread-self/comm").unwrap_or_default();
    comm.pop(); // the newline that ends the file
    comm
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
        self.attempt.returned = now();
        self.result = result;
        if !self.attempt.bound
            && let Ok(local) = socket.local()
        {
            self.attempt.sport = Some(local.port()).filter(|&port| port != 0);
        }
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
        let pid = pid.as_raw() as u32;
        self.attempt.pid = pid;
        if let Thread::Known { tid, .. } = &mut self.attempt.thread {
            *tid = pid;
        }
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
        self.attempt.returned = now();
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
        tell(&Message::Attempt(self.attempt))
    }
}

/// One line to the harness; one write, so that the lines of several processes do not mix.
pub fn tell(message: &Message) -> Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let written = nix::unistd::write(std::io::stdout(), &line).context("telling the harness")?;
    ensure!(written == line.len(), "a line to the harness was cut");
    Ok(())
}
