//! A process, what it starts, and what that starts in turn: each does the same, before and after the others.

use std::fs;
use std::process;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::getpid;

use super::actor::Actor;
use super::process::spawn;
use super::wait::until;

/// `deed` takes one port.
pub fn family(actor: &Actor, deed: fn(&Actor) -> Result<()>) -> Result<()> {
    deed(actor)?;
    start(actor, 10, || child(actor, deed))?;
    deed(actor)?;
    start(actor, 2, || survivor(actor, deed))?;
    deed(actor)
}

/// Runs `body` in a process of its own, which knows nothing of ports that others take meanwhile.
fn start(actor: &Actor, ports: u16, body: impl FnOnce() -> Result<()>) -> Result<()> {
    let child = spawn(|| {
        let result = body();
        if let Err(error) = &result {
            eprintln!("a child of a case: {error:#}");
        }
        i32::from(result.is_err())
    })?;
    let status = waitpid(child, None).context("waitpid")?;
    ensure!(matches!(status, WaitStatus::Exited(_, 0)), "a child ended with {status:?}");
    for _ in 0..ports {
        actor.port();
    }
    Ok(())
}

fn child(actor: &Actor, deed: fn(&Actor) -> Result<()>) -> Result<()> {
    deed(actor)?;
    start(actor, 2, || deed(actor))?;
    let in_thread = || thread::scope(|scope| scope.spawn(|| deed(actor)).join().expect("no panic"));
    in_thread()?;
    in_thread()?;
    deed(actor)
}

/// A process that outlives its first thread.
fn survivor(actor: &Actor, deed: fn(&Actor) -> Result<()>) -> Result<()> {
    let first = format!("/proc/self/task/{}/stat", getpid());
    let first_is_gone = || fs::read_to_string(&first).is_ok_and(|stat| stat.contains(") Z ")).then_some(());
    thread::scope(|scope| {
        scope.spawn(|| {
            let done = until("the first thread is to end", first_is_gone).and_then(|()| deed(actor));
            process::exit(i32::from(done.is_err()))
        });
        // SAFETY: it ends this thread alone, and the other ends the process, so that nothing of it is used again.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    });
    Ok(())
}
