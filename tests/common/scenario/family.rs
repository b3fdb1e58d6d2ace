//! A process, what it starts, and what that starts in turn: each does the same, before and after the others.

use std::fs;
use std::os::fd::OwnedFd;
use std::process;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use nix::unistd::getpid;
use nix::unistd::pipe2;
use nix::unistd::read;
use nix::unistd::write;

use super::actor::Actor;
use super::process::spawn;
use super::process::spawn_as;
use super::wait::until;

/// The case begins before tracing does. `deed` takes one port; what is done in the name of `other` is done by processes
/// that tracing is not to follow.
pub fn family(actor: &Actor, other: &'static str, deed: fn(&Actor) -> Result<()>) -> Result<()> {
    let (pid, heirs) = pipe2(OFlag::O_CLOEXEC).context("pipe")?;
    let elder = spawn(|| status(elder(&actor.as_of(other), &pid, deed)))?;
    (0..2).for_each(|_| _ = actor.port());
    actor.wait_for_start()?;
    deed(actor)?;
    let child = start(actor, 10, || child(actor, deed))?;
    deed(actor)?;
    start(actor, 2, || survivor(actor, deed))?;
    write(&heirs, &child.as_raw().to_ne_bytes()).context("telling a PID")?;
    wait_for(elder)?;
    deed(actor)
}

/// Started before tracing began, it starts a process of the PID that a child of the case had.
fn elder(actor: &Actor, pid: &OwnedFd, deed: fn(&Actor) -> Result<()>) -> Result<()> {
    let mut bytes = [0; 4];
    ensure!(read(pid, &mut bytes).context("waiting for a PID")? == bytes.len(), "no PID");
    match spawn_as(Pid::from_raw(i32::from_ne_bytes(bytes)), || status(deed(actor))) {
        Ok(heir) => wait_for(heir),
        // Nobody may choose a PID here, or somebody was faster.
        Err(Errno::EPERM | Errno::EEXIST) => Ok(()),
        Err(error) => Err(error).context("clone3"),
    }
}

fn status(result: Result<()>) -> i32 {
    if let Err(error) = &result {
        eprintln!("a process of a case: {error:#}");
    }
    i32::from(result.is_err())
}

fn wait_for(pid: Pid) -> Result<()> {
    let status = waitpid(pid, None).context("waitpid")?;
    ensure!(matches!(status, WaitStatus::Exited(_, 0)), "a process ended with {status:?}");
    Ok(())
}

/// Runs `body` in a process of its own, which knows nothing of ports that others take meanwhile.
fn start(actor: &Actor, ports: u16, body: impl FnOnce() -> Result<()>) -> Result<Pid> {
    let child = spawn(|| status(body()))?;
    wait_for(child)?;
    (0..ports).for_each(|_| _ = actor.port());
    Ok(child)
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
