//! Threads that wait in accept(2).

use std::fs;
use std::mem;
use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::thread;
use std::thread::Scope;
use std::thread::ScopedJoinHandle;

use anyhow::Context;
use anyhow::Result;
use nix::errno::Errno;
use nix::unistd::gettid;

use super::accepted::Accepted;
use super::accepted::Queue;
use super::accepted::accept;
use super::socket::client;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;
use crate::common::scenario::wait::until;

/// More than a kernel has CPUs, and more than it sets return probes aside for.
const THREADS: usize = 16;

type Waiting<'scope> = ScopedJoinHandle<'scope, Result<Accepted>>;

/// A thread that is asleep in accept4(2) when this returns.
fn wait_in_accept<'scope, 'a: 'scope>(
    scope: &'scope Scope<'scope, '_>,
    actor: &'scope Actor<'a>,
    listener: &'scope Socket,
) -> Result<Waiting<'scope>> {
    let (sender, tid) = mpsc::channel();
    let thread = scope.spawn(move || {
        let (socket, accepted) = accept(actor, || {
            let _ = sender.send(gettid()); // its receiver waits for it
            listener.accept4()
        })?;
        drop(socket);
        Ok(accepted)
    });
    let tid = tid.recv().context("the thread is gone")?;
    until("a thread asleep in accept4", || {
        let call = fs::read_to_string(format!("/proc/self/task/{tid}/syscall")).ok()?;
        call.starts_with(&format!("{} ", libc::SYS_accept4)).then_some(())
    })?;
    Ok(thread)
}

fn accepted_by(thread: Waiting) -> Result<Accepted> {
    thread.join().expect("the thread does not panic")
}

/// All of them wait at one socket before the first client comes, and maybe before tracing begins: then
/// nothing of the call but its end is left to be seen.
fn crowd(actor: &Actor, from_before: bool) -> Result<()> {
    let (listener, at) = actor.listen(Ip::V4)?;
    thread::scope(|scope| {
        let threads = (0..THREADS).map(|_| wait_in_accept(scope, actor, &listener)).collect::<Result<Vec<_>>>()?;
        if from_before {
            actor.wait_for_start()?;
        }
        let _clients = (0..THREADS).map(|_| client(at)).collect::<Result<Vec<_>>>()?;
        threads.into_iter().try_for_each(|thread| {
            let accepted = accepted_by(thread)?;
            Accepted { from_before, queue: Queue::Moves { most: THREADS as u32 - 1, limit: 128 }, ..accepted }.tell()
        })
    })
}

pub fn from_before(actor: &Actor) -> Result<()> {
    crowd(actor, true)
}

pub fn many_threads(actor: &Actor) -> Result<()> {
    crowd(actor, false)
}

pub fn from_before_mptcp(actor: &Actor) -> Result<()> {
    let prepared = actor.listen_mptcp();
    let (listener, at) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            actor.wait_for_start()?;
            return Err(error);
        }
    };
    thread::scope(|scope| {
        let thread = wait_in_accept(scope, actor, &listener)?;
        actor.wait_for_start()?;
        let client = Socket::mptcp()?;
        client.connect(at).context("connect")?;
        Accepted { from_before: true, mptcp: true, ..accepted_by(thread)? }.tell()
    })
}

/// The call itself keeps the listening socket, whose descriptor is closed meanwhile.
pub fn listener_closed(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen(Ip::V4)?;
    let fd = listener.as_raw_fd();
    let accepted = thread::scope(|scope| {
        let thread = wait_in_accept(scope, actor, &listener)?;
        // SAFETY: nothing uses the descriptor any more; its owner is forgotten below.
        Errno::result(unsafe { libc::close(fd) }).context("close")?;
        let _client = client(at)?;
        accepted_by(thread)
    });
    mem::forget(listener);
    Accepted { queue: Queue::Orphaned { waiting: 0, limit: 128 }, ..accepted? }.tell()
}
