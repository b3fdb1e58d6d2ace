//! Outcomes that come in the timer softirq, of many attempts at once, on a CPU that is busy with bpf(2).

use std::net::SocketAddr;

use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;

use super::attempt::Fate;
use super::attempt::Shown;
use super::tries::Try;
use super::unfinished::NEARLY_A_SECOND;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::busy;
use crate::common::scenario::busy::Busy;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;

/// Few enough that all are under way before the first one times out.
const ATTEMPTS: usize = 50;

pub fn timed_out(actor: &Actor) -> Result<()> {
    busy::stay_on_first_cpu()?;
    let (_peer, to) = actor.silent(Ip::V4)?;
    let under_way = (0..ATTEMPTS).map(|_| begin(actor, to)).collect::<Result<Vec<_>>>()?;
    let busy = Busy::start()?;
    let result = under_way.into_iter().try_for_each(|(socket, attempt)| wait(&socket, attempt));
    busy.end()?;
    result
}

fn begin(actor: &Actor, to: SocketAddr) -> Result<(Socket, Try)> {
    let socket = Socket::nonblocking(Ip::V4)?;
    socket.give_up_soon()?;
    let attempt = actor.connect(&socket, to).gave(Err(Errno::EINPROGRESS))?;
    Ok((socket, attempt.shown(Shown::ContendedOutcome)))
}

fn wait(socket: &Socket, attempt: Try) -> Result<()> {
    ensure!(socket.outcome()? == Err(Errno::ETIMEDOUT), "it is to time out");
    attempt.took_at_least(NEARLY_A_SECOND).ended(Fate::Failed("ETIMEDOUT".to_owned()))
}
