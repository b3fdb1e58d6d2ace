//! A case's own process, and the gates that it waits at.

use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::process;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::ForkResult;
use nix::unistd::Pid;
use nix::unistd::Uid;
use nix::unistd::fork;
use nix::unistd::geteuid;
use nix::unistd::pipe2;
use nix::unistd::read;
use nix::unistd::setuid;

use super::actor::Actor;
use super::actor::skip;
use super::actor::tell;
use super::case::Case;
use super::case::Turn;
use super::play::verdict;
use crate::common::message::Message;

/// No case's process lives longer: what hangs dies by SIGALRM, and its case fails.
const LONGEST_LIFE_SECONDS: libc::c_uint = 180;

/// Closed until its owner opens it; then open for good, to any number of processes.
pub struct Gate {
    waiting: OwnedFd,
    /// Every process but the owner must drop this one to see the gate open.
    holding: OwnedFd,
}

impl Gate {
    pub fn new() -> Result<Gate> {
        let (waiting, holding) = pipe2(OFlag::O_CLOEXEC).context("pipe")?;
        Ok(Gate { waiting, holding })
    }

    pub fn open(self) {
        drop(self.holding);
    }

    /// In a process that inherited the gate: only the owner then holds it.
    pub fn stand_before(&self) -> Result<()> {
        // SAFETY: this process never uses the descriptor again: it leaves by process::exit, which
        // runs no destructors of what it inherited.
        Errno::result(unsafe { libc::close(self.holding.as_raw_fd()) }).context("close")?;
        Ok(())
    }

    pub fn wait(&self) -> Result<()> {
        while read(&self.waiting, &mut [0; 1]).context("waiting at a gate")? > 0 {}
        Ok(())
    }
}

/// Runs `body` in a forked process; it ends with it, by SIGALRM, or with its parent.
pub fn spawn(body: impl FnOnce() -> i32) -> Result<Pid> {
    // SAFETY: the scenario's processes have one thread where they fork.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => live(body),
    }
}

fn live(body: impl FnOnce() -> i32) -> ! {
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    nix::unistd::alarm::set(LONGEST_LIFE_SECONDS);
    process::exit(body())
}

/// The same in a process of this PID, which has to be free; that takes CAP_SYS_ADMIN.
pub fn spawn_as(pid: Pid, body: impl FnOnce() -> i32) -> Result<Pid, Errno> {
    let pids = [pid.as_raw()];
    let args = libc::clone_args {
        exit_signal: libc::SIGCHLD as u64,
        set_tid: pids.as_ptr() as u64,
        set_tid_size: pids.len() as u64,
        // SAFETY: numbers, of which 0 means nothing.
        ..unsafe { std::mem::zeroed() }
    };
    // SAFETY: as fork; the arguments live as long as the call.
    match Errno::result(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) })? {
        0 => live(body),
        child => Ok(Pid::from_raw(child as i32)),
    }
}

/// Names that could break a line, colour a terminal, end a JSON string, shift the cells of a row, or pass for some.
pub const HOSTILE_NAMES: &[&[u8]] =
    &[b"a\n\x1b[31m\"b\\\xff", b"two words", b" ", b"", b"-", b"sshd 4 10.0.0.5", b"\\x20\t\x7f"];

const OTHER_USER: u32 = 65_534;

pub fn become_other_user() -> Result<()> {
    if !geteuid().is_root() {
        return skip("root alone can become another user");
    }
    setuid(Uid::from_raw(OTHER_USER)).context("setuid")
}

/// Names the calling thread; the kernel keeps the first 15 bytes.
pub fn set_name(name: &[u8]) -> Result<()> {
    let mut bytes = [0_u8; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name[..length]);
    // SAFETY: PR_SET_NAME reads a NUL-terminated string of at most 16 bytes.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_NAME, bytes.as_ptr()) }).context("PR_SET_NAME")?;
    Ok(())
}

pub struct Player {
    pub case: &'static Case,
    pub pid: Pid,
    start: OwnedFd,
    held: OwnedFd,
}

impl Player {
    /// Forks the case's process, which does its part from before the start and then waits for it.
    pub fn prepare(case: &'static Case, first_port: u16, end: &Gate) -> Result<Player> {
        let (start_read, start) = pipe2(OFlag::O_CLOEXEC).context("pipe")?;
        let (held, held_write) = pipe2(OFlag::O_CLOEXEC).context("pipe")?;
        let (ready, ready_write) = pipe2(OFlag::O_CLOEXEC).context("pipe")?;
        let pid = spawn(|| {
            let stage = Stage { start: start_read, held: held_write, ready: ready_write, end };
            let result = stage.perform(case, first_port);
            let verdict = verdict(result);
            let told = tell(&Message::<()>::Verdict { case: case.name.to_owned(), verdict });
            i32::from(told.is_err())
        })?;
        read(&ready, &mut [0; 1]).context("waiting for a player")?;
        Ok(Player { case, pid, start, held })
    }

    pub fn start(&self) -> Result<()> {
        // A process that is gone has its say in finish().
        let _ = nix::unistd::write(&self.start, b".");
        Ok(())
    }

    /// Returns once the case has made what it holds to the end, or has failed to.
    pub fn wait_until_held(&self) -> Result<()> {
        read(&self.held, &mut [0; 1]).context("waiting for an attempt to be under way")?;
        Ok(())
    }

    /// Waits for the process; says what is wrong where it could not say so itself.
    pub fn finish(self) -> Result<Option<String>> {
        Ok(match waitpid(self.pid, None).context("waitpid")? {
            WaitStatus::Exited(_, 0) => None,
            WaitStatus::Signaled(_, Signal::SIGALRM, _) => Some("it hung, and was ended".to_owned()),
            status => Some(format!("its process ended with {status:?}")),
        })
    }
}

/// What a case's process shares with the scenario.
pub struct Stage<'a> {
    start: OwnedFd,
    held: OwnedFd,
    ready: OwnedFd,
    end: &'a Gate,
}

impl Stage<'_> {
    fn perform(&self, case: &'static Case, first_port: u16) -> Result<()> {
        self.end.stand_before()?;
        set_name(case.name.as_bytes())?;
        let actor = Actor::new(case.name, first_port, self);
        if case.turn != Turn::FromBefore {
            actor.wait_for_start()?;
        }
        (case.play)(&actor)
    }

    /// Tells the scenario that all is prepared, and waits for the start.
    pub fn wait_for_start(&self) -> Result<()> {
        nix::unistd::write(&self.ready, b".").context("being ready")?;
        let started = read(&self.start, &mut [0; 1]).context("waiting for the start")?;
        ensure!(started == 1, "the scenario is gone");
        Ok(())
    }

    /// Tells the scenario that an attempt is under way, and waits for the tool's end.
    pub fn hold_until_the_end(&self) -> Result<()> {
        nix::unistd::write(&self.held, b".").context("holding")?;
        self.end.wait()
    }
}
