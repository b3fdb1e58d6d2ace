//! Many attempts: what is made of them is counted, not compared.

use std::env;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use nix::sys::resource::Resource;
use nix::sys::resource::getrlimit;
use nix::sys::resource::setrlimit;

use crate::common::message::Message;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::actor::tell;
use crate::common::scenario::busy;
use crate::common::scenario::busy::Busy;
use crate::common::scenario::process::become_other_user;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;

pub const FLOOD_ATTEMPTS: u64 = 2000;

pub fn flood(actor: &Actor) -> Result<()> {
    refused(actor, FLOOD_ATTEMPTS, Duration::ZERO)
}

/// One after the other, as fast as it goes.
fn refused(actor: &Actor, attempts: u64, pause: Duration) -> Result<()> {
    let to = actor.closed(Ip::V4);
    for _ in 0..attempts {
        let socket = Socket::tcp(Ip::V4)?;
        ensure!(socket.connect(to) == Err(Errno::ECONNREFUSED), "the flood is to be refused");
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }
    Ok(())
}

/// Fewer: they take turns with what keeps the CPU busy.
pub const CONTENDED_ATTEMPTS: u64 = 300;

/// The same on a CPU that is busy with bpf(2).
pub fn contended_flood(actor: &Actor) -> Result<()> {
    busy::stay_on_first_cpu()?;
    let busy = Busy::start()?;
    let result = refused(actor, CONTENDED_ATTEMPTS, Duration::ZERO);
    busy.end()?;
    result
}

/// Without end: until the scenario is dropped. With time for the tool to write its rows, also under emulation.
pub fn stream(actor: &Actor) -> Result<()> {
    refused(actor, u64::MAX, Duration::from_micros(300))
}

/// How many attempts time out beside a storm of others: a few natively take a second. For figures this
/// variable has another number.
pub fn timing_out_attempts() -> u64 {
    env::var("BPFTOOLS_TEST_TIMING_OUT").ok().and_then(|number| number.parse().ok()).unwrap_or(2000)
}

/// For as long as their first one takes to time out.
const BEGINNING: Duration = Duration::from_millis(900);

/// Attempts that time out, in the timer softirq, on a CPU that does nothing but connect: the kernel skips
/// the program that sees their end where that softirq meets it at work.
pub fn timing_out(actor: &Actor) -> Result<()> {
    time_out(actor).map(drop)
}

/// The same, and their descriptors stay open.
pub fn timing_out_held(actor: &Actor) -> Result<()> {
    let _open = time_out(actor)?;
    actor.hold_until_the_end()
}

fn time_out(actor: &Actor) -> Result<(Socket, Vec<Socket>)> {
    let attempts = timing_out_attempts();
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("RLIMIT_NOFILE")?;
    busy::stay_on_first_cpu()?;
    let (peer, silent) = actor.silent(Ip::V4)?;
    let refusing = actor.closed(Ip::V4);
    let mut made = 0;
    let mut refuse = || {
        made += 1;
        ensure!(Socket::tcp(Ip::V4)?.connect(refusing) == Err(Errno::ECONNREFUSED), "the storm is to be refused");
        Ok(())
    };
    let mut sockets = Vec::new();
    let started = Instant::now();
    for number in 1..=attempts {
        let socket = Socket::nonblocking(Ip::V4)?;
        socket.give_up_soon()?;
        ensure!(socket.connect(silent) == Err(Errno::EINPROGRESS), "nobody is to answer");
        sockets.push(socket);
        refuse()?;
        while started.elapsed() < BEGINNING.mul_f64(number as f64 / attempts as f64) {
            refuse()?;
        }
    }
    for socket in &sockets {
        while !socket.is_over()? {
            for _ in 0..8 {
                refuse()?;
            }
        }
    }
    tell(&Message::<()>::Made(made + attempts))?;
    Ok((peer, sockets))
}

pub const CROWD_ATTEMPTS: u64 = 64;

/// All under way at the same time; all given up.
pub fn crowd(actor: &Actor) -> Result<()> {
    gather(actor, || Ok(())).map(drop)
}

/// Another user's, and not given up.
pub fn other_crowd(actor: &Actor) -> Result<()> {
    let _crowd = gather(actor, become_other_user)?;
    actor.hold_until_the_end()
}

fn gather(actor: &Actor, prepare: fn() -> Result<()>) -> Result<(Socket, Vec<Socket>)> {
    let (peer, to) = actor.silent(Ip::V4)?;
    prepare()?;
    let begin = || {
        let socket = Socket::nonblocking(Ip::V4)?;
        ensure!(socket.connect(to) == Err(Errno::EINPROGRESS), "nobody is to answer");
        Ok(socket)
    };
    let crowd = (0..CROWD_ATTEMPTS).map(|_| begin()).collect::<Result<Vec<_>>>()?;
    Ok((peer, crowd))
}

pub const FEW_ATTEMPTS: u64 = 10;

pub fn few(actor: &Actor) -> Result<()> {
    actor.port(); // the crowd's: loads have the same ports
    refused(actor, FEW_ATTEMPTS, Duration::ZERO)
}
