//! The process that plays one case: what it can do, and how it tells what it did.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::unistd::Pid;
use nix::unistd::getpid;
use nix::unistd::gettid;
use nix::unistd::getuid;
use serde::Serialize;

use super::clock::now;
use super::network;
use super::process::Stage;
use super::socket::Ip;
use super::socket::Socket;
use crate::common::cgroup;
use crate::common::doer::Doer;
use crate::common::doer::Moment;
use crate::common::doer::Thread;
use crate::common::message::Message;

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

    /// Who does something in the name of another case, at this one's ports.
    pub fn as_of(&self, case: &'static str) -> Actor<'a> {
        Actor { case, next_port: AtomicU16::new(self.port()), stage: self.stage }
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

    /// One that takes data with the SYN.
    pub fn listen_fast_open(&self) -> Result<(Socket, SocketAddr)> {
        network::set("ipv4/tcp_fastopen", "3")?;
        let (listener, at) = self.listen(Ip::V4)?;
        listener.set(libc::IPPROTO_TCP, libc::TCP_FASTOPEN, 16).context("TCP_FASTOPEN")?;
        Ok((listener, at))
    }

    pub fn listen_mptcp(&self) -> Result<(Socket, SocketAddr)> {
        let listener = Socket::mptcp()?;
        let at = SocketAddr::new(Ip::V4.localhost(), self.port());
        listener.bind(at)?;
        listener.listen(128)?;
        Ok((listener, at))
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

    /// The calling thread, from now on.
    pub fn doer(&self) -> Doer {
        let thread = Thread::Known { tid: gettid().as_raw() as u32, comm: own_comm() };
        Doer {
            case: self.case.to_owned(),
            pid: getpid().as_raw() as u32,
            thread,
            uid: getuid().as_raw(),
            nested: false,
            cgroup_id: cgroup::own_id(),
            returned: Moment::default(),
            began: now(), // last, so that what it does lies close behind
        }
    }
}

impl Doer {
    /// Another process did it, under the same name as ours.
    pub fn of_process(mut self, pid: Pid) -> Doer {
        self.pid = pid.as_raw() as u32;
        if let Thread::Known { tid, .. } = &mut self.thread {
            *tid = self.pid;
        }
        self
    }

    /// It did it in a PID namespace of its own.
    pub fn nested(self) -> Doer {
        Doer { nested: true, ..self }
    }
}

fn own_comm() -> Vec<u8> {
    let mut comm = fs::read("/proc/thread-self/comm").unwrap_or_default();
    comm.pop(); // the newline that ends the file
    comm
}

/// One line to the harness; one write, so that the lines of several processes do not mix.
pub fn tell<D: Serialize>(message: &Message<D>) -> Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let written = nix::unistd::write(std::io::stdout(), &line).context("telling the harness")?;
    ensure!(written == line.len(), "a line to the harness was cut");
    Ok(())
}
