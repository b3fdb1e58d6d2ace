//! Outcomes that come in the timer softirq, of many attempts at once, while another process on the
//! same CPU is in bpf(2) nearly all the time. The kernel may skip perf-attached programs then.

use std::iter;
use std::net::SocketAddr;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use nix::sched::CpuSet;
use nix::sched::sched_setaffinity;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::actor::Actor;
use super::bpf;
use super::process::spawn;
use super::socket::Ip;
use super::socket::Socket;
use super::tries::Try;
use crate::common::attempt::Fate;
use crate::common::attempt::Shown;

/// Few enough that all are under way before the first one times out.
const ATTEMPTS: usize = 50;

pub fn timed_out(actor: &Actor) -> Result<()> {
    let mut first_cpu = CpuSet::new();
    first_cpu.set(0).context("CPU 0")?;
    sched_setaffinity(Pid::from_raw(0), &first_cpu).context("CPU affinity")?;
    let map = bpf::Map::new()?;
    let (_peer, to) = actor.silent(Ip::V4)?;
    let under_way = (0..ATTEMPTS).map(|_| begin(actor, to)).collect::<Result<Vec<_>>>()?;
    let busy = spawn(|| {
        // Until it is killed.
        let error = iter::repeat_with(|| map.update().and_then(|()| map.read())).find_map(Result::err);
        eprintln!("bpf(2): {error:?}");
        1
    })?;
    let result = under_way.into_iter().try_for_each(|(socket, attempt)| wait(&socket, attempt));
    kill(busy, Signal::SIGKILL).context("kill")?;
    waitpid(busy, None).context("waitpid")?;
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
    attempt.ended(Fate::Failed("ETIMEDOUT".to_owned()))
}
