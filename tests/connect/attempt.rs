//! What was really done: one attempt, told by the process that made it. The scenario prints these,
//! the comparer holds the tool's rows to them.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use serde::Serialize;

use crate::common::doer::Doer;

/// How the attempt entered the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Path {
    /// connect(2), by a 64-bit process.
    Connect,
    /// connect(2), by the system call table of 32-bit processes.
    Compat,
    IoUring,
    /// sendto(2) with MSG_FASTOPEN.
    FastOpenSend,
    /// The kernel itself, on nobody's behalf.
    Kernel,
}

/// How far the attempt got, and how it ended. Errors are names such as "ECONNREFUSED".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// Refused before tcp_vX_connect was called (LSM, cgroup).
    Denied(String),
    /// tcp_vX_connect failed before the socket entered SYN_SENT (no route, wrong family …).
    NotSent(String),
    /// tcp_vX_connect failed after that, still without a SYN (no free port).
    NoPort(String),
    Established,
    /// The SYN went out and an error came back, or nothing did.
    Failed(String),
    /// The process closed, died or gave up before the handshake ended.
    Closed,
    /// Still under way when the tool was stopped.
    Pending,
}

impl Fate {
    pub fn error(&self) -> Option<&str> {
        match self {
            Fate::Denied(e) | Fate::NotSent(e) | Fate::NoPort(e) | Fate::Failed(e) => Some(e),
            Fate::Established | Fate::Closed | Fate::Pending => None,
        }
    }

    /// Whether the attempt shows as CLOSE → SYN_SENT.
    pub fn entered_syn_sent(&self) -> bool {
        !matches!(self, Fate::Denied(_) | Fate::NotSent(_))
    }

    pub fn sent_syn(&self) -> bool {
        self.entered_syn_sent() && !matches!(self, Fate::NoPort(_))
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    pub by: Doer,
    pub ip: u8,
    /// Absent while the socket had none.
    pub saddr: Option<IpAddr>,
    pub sport: Option<u16>,
    /// Whether the port was bound before the attempt.
    pub bound: bool,
    /// Absent where the caller gave no usable address.
    pub daddr: Option<IpAddr>,
    pub dport: Option<u16>,
    pub path: Path,
    pub fate: Fate,
    /// Whether connect(2) itself returned the error.
    pub told: bool,
    /// Whether the socket, once in SYN_SENT, sent a SYN.
    pub syn: bool,
    /// The outcome had come by then (boot clock) …
    pub over_ns: u64,
    /// … and not sooner than this after the attempt.
    pub took_at_least_ns: u64,
    /// Of which so much passed between the SYN and its answer, as TCP has measured; 0 where it has not. It says nothing
    /// of when the call returned: on loopback the answer comes before.
    pub round_trip_ns: u64,
    /// Made before tracing started, or in a way that another program on that CPU may hide.
    pub shown: Shown,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let saddr = known(self.saddr.map(|a| a.to_string()));
        let daddr = known(self.daddr.map(|a| a.to_string()));
        let (sport, dport) = (known(self.sport.map(|p| p.to_string())), known(self.dport.map(|p| p.to_string())));
        write!(f, "{}: process {}, {saddr} {sport} to {daddr} {dport}", self.by.case, self.by.pid)?;
        write!(f, ", by {:?}: {:?}{}", self.path, self.fate, if self.told { ", as told" } else { "" })
    }
}

/// Whether a row may be missing for reasons that no backend difference explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shown {
    Always,
    /// Under way before tracing started.
    Never,
    /// Its outcome fires while another BPF program or bpf(2) runs on the same CPU.
    ContendedOutcome,
}
