//! Many attempts: what is made of them is counted, not compared.

use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;

use super::actor::Actor;
use super::socket::Ip;
use super::socket::Socket;

pub const FLOOD_ATTEMPTS: u64 = 2000;

/// One after the other, as fast as it goes; all refused.
pub fn flood(actor: &Actor) -> Result<()> {
    let to = actor.closed(Ip::V4);
    for _ in 0..FLOOD_ATTEMPTS {
        let socket = Socket::tcp(Ip::V4)?;
        ensure!(socket.connect(to) == Err(Errno::ECONNREFUSED), "the flood is to be refused");
    }
    Ok(())
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
