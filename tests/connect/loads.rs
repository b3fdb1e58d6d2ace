//! Many attempts: what is made of them is counted, not compared.

use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;

use crate::common::scenario::actor::Actor;
use crate::common::scenario::busy;
use crate::common::scenario::busy::Busy;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;

pub const FLOOD_ATTEMPTS: u64 = 2000;

pub fn flood(actor: &Actor) -> Result<()> {
    refused(actor, FLOOD_ATTEMPTS)
}

/// One after the other, as fast as it goes.
fn refused(actor: &Actor, attempts: u64) -> Result<()> {
    let to = actor.closed(Ip::V4);
    for _ in 0..attempts {
        let socket = Socket::tcp(Ip::V4)?;
        ensure!(socket.connect(to) == Err(Errno::ECONNREFUSED), "the flood is to be refused");
    }
    Ok(())
}

/// Fewer: they take turns with what keeps the CPU busy.
pub const CONTENDED_ATTEMPTS: u64 = 300;

/// The same on a CPU that is busy with bpf(2).
pub fn contended_flood(actor: &Actor) -> Result<()> {
    busy::stay_on_first_cpu()?;
    let busy = Busy::start()?;
    let result = refused(actor, CONTENDED_ATTEMPTS);
    busy.end()?;
    result
}

/// Without end: until the scenario is dropped.
pub fn stream(actor: &Actor) -> Result<()> {
    refused(actor, u64::MAX)
}

pub const CROWD_ATTEMPTS: u64 = 64;

/// All under way at the same time; all given up.
pub fn crowd(actor: &Actor) -> Result<()> {
    let (_peer, to) = actor.silent(Ip::V4)?;
    let begin = || {
        let socket = Socket::nonblocking(Ip::V4)?;
        ensure!(socket.connect(to) == Err(Errno::EINPROGRESS), "nobody is to answer");
        Ok(socket)
    };
    (0..CROWD_ATTEMPTS).map(|_| begin()).collect::<Result<Vec<_>>>().map(drop)
}
