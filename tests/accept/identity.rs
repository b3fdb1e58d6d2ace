//! Who accepts: threads, users, names, PID namespaces.

use std::thread;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::sched::CloneFlags;
use nix::sched::unshare;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;

use super::accepted::Accepted;
use super::accepted::accept;
use super::doors::queued;
use super::socket::client;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::process::HOSTILE_NAMES;
use crate::common::scenario::process::become_other_user;
use crate::common::scenario::process::set_name;
use crate::common::scenario::process::spawn;
use crate::common::scenario::socket::Ip;

/// `pid` is the process, `tid` and `comm` are the thread's.
pub fn other_thread(actor: &Actor) -> Result<()> {
    let (listener, at) = actor.listen(Ip::V4)?;
    let _client = client(at)?;
    let (_socket, accepted) = thread::scope(|scope| {
        let body = || {
            set_name(b"another-thread")?;
            accept(actor, || listener.accept4())
        };
        scope.spawn(body).join().expect("the thread does not panic")
    })?;
    accepted.tell()
}

pub fn other_user(actor: &Actor) -> Result<()> {
    become_other_user()?;
    queued(actor, Ip::V4)
}

pub fn hostile_name(actor: &Actor) -> Result<()> {
    HOSTILE_NAMES.iter().try_for_each(|name| {
        set_name(name)?;
        queued(actor, Ip::V4)
    })
}

/// The process calls itself 1; the tool sees it from outside.
pub fn pid_namespace(actor: &Actor) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWPID).context("a PID namespace")?;
    let (listener, at) = actor.listen(Ip::V4)?;
    let client = client(at)?;
    let by = actor.doer();
    let child = spawn(|| i32::from(listener.accept4().is_err()))?;
    let status = waitpid(child, None).context("waitpid")?;
    ensure!(matches!(status, WaitStatus::Exited(_, 0)), "the process inside ended with {status:?}");
    Accepted::new(by.of_process(child).nested(), at, client.local()?).tell()
}
