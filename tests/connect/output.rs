//! Where the output goes: readers that stall, go away or share a pipe, and files that take nothing. The run
//! ends all the same, in whole lines, and says what is missing.

use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::io::PipeReader;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use libtest_mimic::Trial;
use nix::fcntl::FcntlArg;
use nix::fcntl::OFlag;
use nix::fcntl::fcntl;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::attempt::Attempt;
use super::cases::FLOOD;
use super::endings::args;
use super::loads::FLOOD_ATTEMPTS;
use crate::common::backend::Backend;
use crate::common::flood::play;
use crate::common::mode::Format;
use crate::common::run;
use crate::common::tool::Output;
use crate::common::tool::PATIENCE;
use crate::common::tool::Tool;
use crate::common::tool::command;

type Scenario = run::Scenario<Attempt>;

type Body = fn(Backend) -> Result<()>;

const TRIALS: &[(&str, Body)] = &[
    ("stalled-pipe", stalled_pipe),
    ("stalled-pipe-duration", stalled_pipe_duration),
    ("stalled-terminal", stalled_terminal),
    ("slow-pipe", slow_pipe),
    ("second-signal", second_signal),
    ("shared-pipe", shared_pipe),
    ("full-disk", full_disk),
    ("full-stderr", full_stderr),
    ("closed-stderr", closed_stderr),
    ("stalled-stderr", stalled_stderr),
    ("signal-while-starting", signal_while_starting),
];

pub fn trials(backend: Backend) -> Vec<Trial> {
    let trial = |&(name, body): &(&str, Body)| {
        let name = format!("tcpconnect/{}/endings/{name}", backend.name());
        Trial::test(name, move || body(backend).map_err(|error| format!("{error:#}").into()))
    };
    TRIALS.iter().map(trial).collect()
}

/// The tool with its output to `stdout`, after a flood.
fn flooded(backend: Backend, more: &[&str], stdout: impl Into<Stdio>) -> Result<Tool> {
    let scenario = Scenario::prepare(&[FLOOD])?;
    let pid = scenario.pid(FLOOD).to_string();
    play(Tool::start_into(&args(backend, &pid, more), stdout)?, scenario)
}

/// It failed, because so many lines were not written.
fn unwritten(output: &Output) -> Result<u64> {
    ensure!(output.status.code() == Some(1), "{}\n{}", output.status, output.stderr.join("\n"));
    let line = output.stderr.last().context("nothing on stderr")?;
    let (number, _) = line
        .split_once(" lines were not written")
        .or(line.split_once(" line was not written"))
        .with_context(|| line.clone())?;
    let number = number.strip_prefix("tcpconnect: ").with_context(|| line.clone())?;
    number.parse().with_context(|| line.clone())
}

/// What is in the pipe is whole lines, and with those that are said to be missing they are a row for each
/// attempt and the last object.
fn adds_up(mut pipe: PipeReader, output: &Output) -> Result<()> {
    let mut text = String::new();
    pipe.read_to_string(&mut text)?;
    ensure!(text.ends_with('\n'), "it ends with {:?}", text.lines().last());
    let lines = text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (rows, losses) = run::read("tcpconnect", Format::Json, &lines)?;
    ensure!(losses.is_empty(), "something was lost, or the end was written");
    let sum = rows.len() as u64 + unwritten(output)?;
    ensure!(sum == FLOOD_ATTEMPTS + 1, "{} rows, {sum} lines with the unwritten ones", rows.len());
    Ok(())
}

fn stalled_pipe(backend: Backend) -> Result<()> {
    let (unread, stdout) = std::io::pipe()?;
    let tool = flooded(backend, &["--json", "--buffer-size", "4M"], stdout)?;
    tool.signal(Signal::SIGTERM)?;
    adds_up(unread, &tool.finish()?)
}

fn stalled_pipe_duration(backend: Backend) -> Result<()> {
    let (unread, stdout) = std::io::pipe()?;
    let tool = flooded(backend, &["--json", "--buffer-size", "4M", "--duration", "6"], stdout)?;
    adds_up(unread, &tool.finish()?)
}

fn stalled_terminal(backend: Backend) -> Result<()> {
    let terminal = nix::pty::openpty(None, None)?;
    let tool = flooded(backend, &["--json"], terminal.slave)?;
    tool.signal(Signal::SIGINT)?;
    ensure!(unwritten(&tool.finish()?)? > 0);
    drop(terminal.master);
    Ok(())
}

/// A pipe's page at a time, and then a pause: each step takes something, and the end does not wait for all.
fn slow_pipe(backend: Backend) -> Result<()> {
    let (mut slow, stdout) = std::io::pipe()?;
    let tool = flooded(backend, &["--json"], stdout)?;
    let reader = thread::spawn(move || {
        let mut page = [0; 4096];
        while slow.read(&mut page).is_ok_and(|bytes| bytes > 0) {
            thread::sleep(Duration::from_millis(350));
        }
    });
    tool.signal(Signal::SIGTERM)?;
    let ended = unwritten(&tool.finish()?);
    // The tool is gone, so the rest is read without end.
    let _ = reader.join();
    ensure!(ended? > 0);
    Ok(())
}

/// While the programs of the first one's run are detached, or its last rows wait for a reader.
fn second_signal(backend: Backend) -> Result<()> {
    let (_unread, stdout) = std::io::pipe()?;
    let tool = flooded(backend, &["--json", "--outcome"], stdout)?;
    tool.signal(Signal::SIGINT)?;
    thread::sleep(Duration::from_millis(100)); // two of a kind are one until the first is taken
    tool.signal(Signal::SIGINT)?;
    let status = tool.finish()?.status;
    ensure!(status.signal().is_some(), "{status}");
    Ok(())
}

fn shared_pipe(backend: Backend) -> Result<()> {
    let scenario = Scenario::prepare(&[FLOOD])?;
    let pid = scenario.pid(FLOOD).to_string();
    let args = args(backend, &pid, &["--json", "--buffer-size", "4M"]);
    let (reader, stdout) = std::io::pipe()?;
    let other = Tool::start_into(&args, stdout.try_clone()?)?;
    let tool = Tool::start_into(&args, stdout)?;
    let lines = thread::spawn(move || BufReader::new(reader).lines().collect::<Result<Vec<_>, _>>());
    let tool = play(tool, scenario)?;
    for tool in [tool, other] {
        let output = tool.stop()?;
        ensure!(output.status.success(), "{}\n{}", output.status, output.stderr.join("\n"));
    }
    let lines = lines.join().expect("it reads")?;
    let (rows, _) = run::read("tcpconnect", Format::Json, &lines)?;
    ensure!(rows.len() as u64 == 2 * FLOOD_ATTEMPTS, "{} rows", rows.len());
    Ok(())
}

/// The run goes on, and says at its end what is missing.
fn full_disk(backend: Backend) -> Result<()> {
    let tool = flooded(backend, &["--json", "--buffer-size", "4M"], File::options().write(true).open("/dev/full")?)?;
    let output = tool.stop()?;
    ensure!(unwritten(&output)? == FLOOD_ATTEMPTS + 1, "{:?}", output.stderr);
    ensure!(output.stderr.iter().all(|line| !line.contains("lost")), "{:?}", output.stderr);
    let said = output.stderr.iter().filter(|line| line.contains("No space left on device")).count();
    ensure!(said >= 2, "not while it ran, or not at the end: {:?}", output.stderr);
    Ok(())
}

/// The rows of a flood, by a tool that cannot say anything, and an end as if it could.
fn with_stderr(backend: Backend, stderr: impl Into<Stdio>) -> Result<()> {
    let mut scenario = Scenario::prepare(&[FLOOD])?;
    let pid = scenario.pid(FLOOD).to_string();
    let mut command = command();
    command.args(args(backend, &pid, &["-v", "--buffer-size", "4M"])).stdout(Stdio::piped()).stderr(stderr);
    let mut child = command.spawn()?;
    drop(command); // it has a copy of the pipe
    let mut lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
    lines.next().context("no header")??;
    let rows = thread::spawn(move || lines.count());
    scenario.play()?;
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM)?;
    let status = ended(child)?;
    ensure!(status.success(), "{status}");
    let rows = rows.join().expect("it counts");
    ensure!(rows as u64 == FLOOD_ATTEMPTS, "{rows} rows");
    Ok(())
}

fn ended(mut child: Child) -> Result<std::process::ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.kill()?;
    child.wait()?;
    bail!("it did not end in {PATIENCE:?}")
}

fn full_stderr(backend: Backend) -> Result<()> {
    with_stderr(backend, File::options().write(true).open("/dev/full")?)
}

fn closed_stderr(backend: Backend) -> Result<()> {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    with_stderr(backend, writer)
}

/// A pipe that takes no more.
fn full_pipe() -> Result<(PipeReader, OwnedFd)> {
    let (reader, writer) = std::io::pipe()?;
    let flags = OFlag::from_bits_truncate(fcntl(writer.as_fd(), FcntlArg::F_GETFL)?);
    fcntl(writer.as_fd(), FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    while nix::unistd::write(&writer, &[b'.'; 4096]).is_ok() {}
    fcntl(writer.as_fd(), FcntlArg::F_SETFL(flags))?;
    Ok((reader, writer.into()))
}

fn stalled_stderr(backend: Backend) -> Result<()> {
    let (_unread, stderr) = full_pipe()?;
    with_stderr(backend, stderr)
}

/// Its programs are not attached yet, so it ends at once. It may be quicker than the signal, but not each time.
fn signal_while_starting(backend: Backend) -> Result<()> {
    const TRIES: usize = 20;
    for _ in 0..TRIES {
        let mut command = command();
        command.args(["tcpconnect", "--backend", backend.name()]).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn()?;
        kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM)?;
        let status = ended(child)?;
        if status.signal() == Some(Signal::SIGTERM as i32) {
            return Ok(());
        }
        ensure!(status.success(), "{status}");
    }
    bail!("it was never ended by the signal")
}
