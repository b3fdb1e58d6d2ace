//! Who makes the attempt: threads, users, names, PID namespaces.

use std::thread;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sched::unshare;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;

use super::answers::accepted;
use super::answers::refused;
use super::attempt::Fate;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::process::HOSTILE_NAMES;
use crate::common::scenario::process::become_other_user;
use crate::common::scenario::process::set_name;
use crate::common::scenario::process::spawn;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;

/// `pid` is the process, `tid` and `comm` are the thread's.
pub fn other_thread(actor: &Actor) -> Result<()> {
    let (_listener, to) = actor.listen(Ip::V4)?;
    // Only what the thread needs: an Actor stays with its own.
    let attempt = thread::scope(|scope| {
        let body = || {
            set_name(b"another-thread")?;
            let socket = Socket::tcp(Ip::V4)?;
            actor.connect(&socket, to).gave(Ok(()))
        };
        scope.spawn(body).join().expect("the thread does not panic")
    })?;
    attempt.ended(Fate::Established)
}

pub fn other_user(actor: &Actor) -> Result<()> {
    become_other_user()?;
    accepted(actor, Ip::V4)?;
    refused(actor, Ip::V4)
}

pub fn hostile_name(actor: &Actor) -> Result<()> {
    HOSTILE_NAMES.iter().try_for_each(|name| {
        set_name(name)?;
        accepted(actor, Ip::V4)
    })
}

/// The process calls itself 1; the tool sees it from outside.
pub fn pid_namespace(actor: &Actor) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWPID).context("a PID namespace")?;
    let to = actor.closed(Ip::V4);
    let socket = Socket::tcp(Ip::V4)?;
    let attempt = actor.begin(&socket, to);
    let child = spawn(|| i32::from(socket.connect(to) != Err(Errno::ECONNREFUSED)))?;
    let status = waitpid(child, None).context("waitpid")?;
    ensure!(matches!(status, WaitStatus::Exited(_, 0)), "the process inside ended with {status:?}");
    let told = Err(Errno::ECONNREFUSED);
    attempt.of_process(child).nested().returned(&socket, told).failed()
}
