//! Many connections: what is accepted is counted, not compared.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use nix::errno::Errno;

use super::socket::client;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::busy;
use crate::common::scenario::busy::Busy;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;

pub const CONNECTIONS: u64 = 500;

fn accept_all(listener: &Socket, at: SocketAddr) -> Result<()> {
    for _ in 0..CONNECTIONS {
        let _client = client(at)?;
        listener.accept()?;
    }
    Ok(())
}

/// One after the other, as fast as it goes.
pub fn flood(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen(Ip::V4)?;
    accept_all(&listener, at)
}

/// The same, while another process on the same CPU is in bpf(2) nearly all the time.
pub fn contended(actor: &Actor) -> Result<()> {
    busy::stay_on_first_cpu()?;
    let busy = Busy::start()?;
    let result = flood(actor);
    busy.end()?;
    result
}

/// Another thread closes the new descriptor as soon as it is there, mostly before the call is over.
pub fn snatched(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen(Ip::V4)?;
    let ended = AtomicBool::new(false);
    // The lowest free number is the one that the next descriptor gets: this one's, once it is closed.
    let probe = Socket::tcp(Ip::V4)?;
    let number = probe.as_raw_fd() + 1; // behind the client's, which takes the probe's
    drop(probe);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                // SAFETY: only accepted sockets get this number, and nobody uses those.
                unsafe { libc::close(number) };
            }
        });
        let result = (0..CONNECTIONS).try_for_each(|_| {
            let _client = client(at)?;
            // SAFETY: no pointers.
            let accepted =
                unsafe { libc::accept4(listener.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut(), 0) };
            Errno::result(accepted).context("accept4")?;
            // SAFETY: nobody else has it; it may be closed already.
            unsafe { libc::close(accepted) };
            Ok(())
        });
        ended.store(true, Ordering::Relaxed);
        result
    })
}
