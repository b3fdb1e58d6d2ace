//! Attempts that no peer answers: what ends them is time, a signal, or the process itself.

use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use nix::sys::signal::SaFlags;
use nix::sys::signal::SigAction;
use nix::sys::signal::SigHandler;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::signal::sigaction;
use nix::sys::wait::WaitPidFlag;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::attempt::Fate;
use super::attempt::Shown;
use super::sockets_table::syn_sent;
use super::sockets_table::wait_syn_sent;
use super::tries::Try;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::process::spawn;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;
use crate::common::scenario::wait::until;

/// A retransmission timer runs for a second; less than this cannot be its work.
pub const NEARLY_A_SECOND: Duration = Duration::from_millis(900);

/// The silent peer, the socket, and its attempt.
fn begin(actor: &Actor, ip: Ip) -> Result<(Socket, Socket, Try)> {
    let (peer, to) = actor.silent(ip)?;
    let socket = Socket::nonblocking(ip)?;
    let attempt = actor.connect(&socket, to).gave(Err(Errno::EINPROGRESS))?;
    Ok((peer, socket, attempt))
}

/// Made before tracing starts; its end is seen, but nobody may invent its beginning.
pub fn under_way_before(actor: &Actor) -> Result<()> {
    let (_peer, socket, attempt) = begin(actor, Ip::V4)?;
    actor.wait_for_start()?;
    drop(socket);
    attempt.shown(Shown::Never).ended(Fate::Closed)
}

pub fn left_pending(actor: &Actor) -> Result<()> {
    let (_peer, _socket, attempt) = begin(actor, Ip::V4)?;
    attempt.ended(Fate::Pending)?;
    actor.hold_until_the_end()
}

pub fn timed_out(actor: &Actor, ip: Ip) -> Result<()> {
    let socket = Socket::tcp(ip)?;
    socket.give_up_soon()?;
    let (_peer, to) = actor.silent(ip)?;
    let attempt = actor.connect(&socket, to).gave(Err(Errno::ETIMEDOUT))?;
    attempt.took_at_least(NEARLY_A_SECOND).failed()
}

pub fn nonblocking_timed_out(actor: &Actor) -> Result<()> {
    let socket = Socket::nonblocking(Ip::V4)?;
    socket.give_up_soon()?;
    let (_peer, to) = actor.silent(Ip::V4)?;
    let attempt = actor.connect(&socket, to).gave(Err(Errno::EINPROGRESS))?;
    ensure!(socket.outcome()? == Err(Errno::ETIMEDOUT), "it is to time out");
    attempt.took_at_least(NEARLY_A_SECOND).ended(Fate::Failed("ETIMEDOUT".to_owned()))
}

/// Some time passes, so that the end is no longer taken for the beginning, and then the attempt is ended by something
/// else than its peer.
fn after_a_while(attempt: Try, end: impl FnOnce() -> Result<()>) -> Result<()> {
    let while_ = Duration::from_millis(30);
    thread::sleep(while_);
    end()?;
    attempt.took_at_least(while_).ended(Fate::Closed)
}

pub fn closed(actor: &Actor, ip: Ip) -> Result<()> {
    let (_peer, socket, attempt) = begin(actor, ip)?;
    after_a_while(attempt, || {
        drop(socket);
        Ok(())
    })
}

pub fn shut_down(actor: &Actor) -> Result<()> {
    let (_peer, socket, attempt) = begin(actor, Ip::V4)?;
    after_a_while(attempt, || socket.shut_down())
}

/// The calls that ask again meet EALREADY: no new attempts.
pub fn retried(actor: &Actor) -> Result<()> {
    let (_peer, to) = actor.silent(Ip::V4)?;
    let socket = Socket::nonblocking(Ip::V4)?;
    let attempt = actor.connect(&socket, to).gave(Err(Errno::EINPROGRESS))?;
    for _ in 0..3 {
        ensure!(socket.connect(to) == Err(Errno::EALREADY), "a retry is to find it under way");
    }
    after_a_while(attempt, || {
        drop(socket);
        Ok(())
    })
}

/// connect(2) gives up waiting, with EINPROGRESS; the attempt goes on until the close.
pub fn send_timeout(actor: &Actor) -> Result<()> {
    let socket = Socket::tcp(Ip::V4)?;
    socket.set_send_timeout(Duration::from_millis(20))?;
    let (_peer, to) = actor.silent(Ip::V4)?;
    let attempt = actor.connect(&socket, to).gave(Err(Errno::EINPROGRESS))?;
    after_a_while(attempt, || {
        drop(socket);
        Ok(())
    })
}

/// A process that waits in connect(2) to a silent peer, seen to do so; `right` judges what it got.
fn waiting_process(
    actor: &Actor,
    socket: Socket,
    to: SocketAddr,
    right: impl FnOnce(Result<(), Errno>) -> bool,
) -> Result<(Pid, Try)> {
    let attempt = actor.begin(&socket, to);
    let child = spawn(|| i32::from(!right(socket.connect(to))))?;
    drop(socket); // the child's copy is the only one
    let sport = wait_syn_sent(to.port())?;
    // The function that the row may be made at has returned once the process sleeps.
    until("a process asleep in connect", || is_asleep(child).then_some(()))?;
    Ok((child, attempt.of_process(child).seen_under_way(sport)))
}

fn is_asleep(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('S'))
}

/// The identity is the attempt's, though the kernel processes its end as the process exits.
pub fn killed(actor: &Actor) -> Result<()> {
    let (_peer, to) = actor.silent(Ip::V4)?;
    let (child, attempt) = waiting_process(actor, Socket::tcp(Ip::V4)?, to, |_| false)?;
    after_a_while(attempt, || {
        kill(child, Signal::SIGKILL).context("kill")?;
        let status = waitpid(child, None).context("waitpid")?;
        ensure!(matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _)), "it ended with {status:?}");
        Ok(())
    })
}

/// The time-out comes while the process is stopped; connect(2) returns it once it goes on. A busy machine may take
/// more than a second to stop it.
pub fn stopped(actor: &Actor) -> Result<()> {
    let socket = Socket::tcp(Ip::V4)?;
    socket.give_up_after(Duration::from_secs(2))?;
    let (_peer, to) = actor.silent(Ip::V4)?;
    let (child, attempt) = waiting_process(actor, socket, to, |result| result == Err(Errno::ETIMEDOUT))?;
    kill(child, Signal::SIGSTOP).context("SIGSTOP")?;
    waitpid(child, Some(WaitPidFlag::WUNTRACED)).context("waitpid")?;
    until("the time-out", || syn_sent(to.port()).is_none().then_some(()))?;
    kill(child, Signal::SIGCONT).context("SIGCONT")?;
    let status = waitpid(child, None).context("waitpid")?;
    ensure!(matches!(status, WaitStatus::Exited(_, 0)), "connect gave no ETIMEDOUT: {status:?}");
    attempt.took_at_least(NEARLY_A_SECOND).ended(Fate::Failed("ETIMEDOUT".to_owned()))
}

extern "C" fn ignore(_signal: libc::c_int) {}

/// A signal ends connect(2) with EINTR; the attempt goes on until the close.
pub fn interrupted(actor: &Actor) -> Result<()> {
    let action = SigAction::new(SigHandler::Handler(ignore), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.context("sigaction")?;
    let is_eintr = |result| result == Err(Errno::EINTR);
    let (_peer, to) = actor.silent(Ip::V4)?;
    let (child, attempt) = waiting_process(actor, Socket::tcp(Ip::V4)?, to, is_eintr)?;
    after_a_while(attempt, || {
        kill(child, Signal::SIGUSR1).context("SIGUSR1")?;
        let status = waitpid(child, None).context("waitpid")?;
        ensure!(matches!(status, WaitStatus::Exited(_, 0)), "connect gave no EINTR: {status:?}");
        Ok(())
    })
}

/// One process makes the attempt and exits; another, which has the socket too, ends it.
pub fn outlived(actor: &Actor) -> Result<()> {
    let (_peer, to) = actor.silent(Ip::V4)?;
    let socket = Socket::nonblocking(Ip::V4)?;
    let attempt = actor.begin(&socket, to);
    let maker = spawn(|| i32::from(socket.connect(to) != Err(Errno::EINPROGRESS)))?;
    let status = waitpid(maker, None).context("waitpid")?;
    ensure!(matches!(status, WaitStatus::Exited(_, 0)), "the maker ended with {status:?}");
    let attempt = attempt.of_process(maker).returned(&socket, Err(Errno::EINPROGRESS));
    after_a_while(attempt, || {
        drop(socket);
        Ok(())
    })
}

/// connect(2) to AF_UNSPEC takes the attempt back.
pub fn disconnected(actor: &Actor) -> Result<()> {
    let (_peer, socket, attempt) = begin(actor, Ip::V4)?;
    after_a_while(attempt, || socket.disconnect())
}
