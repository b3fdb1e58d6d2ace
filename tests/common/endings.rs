//! How a run of any tool begins and ends: the header, signals, closed output, limits, and a ring that overflows.

use std::io::BufRead;
use std::io::BufReader;
use std::process;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use libtest_mimic::Trial;
use nix::sys::signal::SigHandler;
use nix::sys::signal::Signal;
use nix::sys::signal::signal;

use super::backend::Backend;
use super::flood;
use super::flood::ended_well;
use super::flood::flooded;
use super::row::Losses;
use super::run::Scenario;
use super::setup::Setup;
use super::subject::Subject;
use super::tool::Tool;

pub fn trials<S: Subject>(backend: Backend) -> Vec<Trial> {
    let bodies: &[(&str, flood::Body)] = &[
        ("sigint", |backend| quiet_end_by::<S>(backend, Signal::SIGINT)),
        ("sigterm", |backend| quiet_end_by::<S>(backend, Signal::SIGTERM)),
        ("sighup", |backend| quiet_end_by::<S>(backend, Signal::SIGHUP)),
        ("ignored-sighup", ignored_sighup::<S>),
        ("endless-duration", endless_duration::<S>),
        ("duration", duration::<S>),
        ("max-events", max_events::<S>),
        ("header-before-rows", header_before_rows::<S>),
        ("no-header", no_header::<S>),
        ("closed-stdout", closed_stdout::<S>),
        ("overflow", overflow::<S>),
    ];
    flood::trials::<S>(backend, "endings", bodies)
}

/// Of this process, which does nothing that the tool shows.
fn quiet<S: Subject>(backend: Backend, more: &[&str]) -> Result<Tool> {
    flood::start::<S>(backend, process::id(), more)
}

fn quiet_end_by<S: Subject>(backend: Backend, signal: Signal) -> Result<()> {
    let tool = quiet::<S>(backend, &["--json"])?;
    tool.signal(signal)?;
    let (rows, end) = ended_well(S::TOOL, &tool.finish()?)?;
    ensure!(rows.is_empty() && end.lost == 0, "rows of a process that did nothing");
    Ok(())
}

/// As under nohup(1), it goes on.
fn ignored_sighup<S: Subject>(backend: Backend) -> Result<()> {
    // SAFETY: neither action runs code. Trials run one at a time, and no other starts a process meanwhile.
    let before = unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }?;
    let tool = quiet::<S>(backend, &["--json", "--duration", "1"]);
    // SAFETY: as above.
    unsafe { signal(Signal::SIGHUP, before) }?;
    let (tool, started) = (tool?, Instant::now());
    tool.signal(Signal::SIGHUP)?;
    ended_well(S::TOOL, &tool.finish()?)?;
    ensure!(started.elapsed() >= Duration::from_millis(500), "it ended after {:?}", started.elapsed());
    Ok(())
}

/// Longer than the clock can count.
fn endless_duration<S: Subject>(backend: Backend) -> Result<()> {
    ended_well(S::TOOL, &quiet::<S>(backend, &["--json", "--duration", "1.8e19"])?.stop()?)?;
    Ok(())
}

fn duration<S: Subject>(backend: Backend) -> Result<()> {
    let started = Instant::now();
    let tool = quiet::<S>(backend, &["--json", "--duration", "0.3"])?;
    ended_well(S::TOOL, &tool.finish()?)?;
    ensure!(started.elapsed() >= Duration::from_millis(300), "it ended after {:?}", started.elapsed());
    Ok(())
}

fn max_events<S: Subject>(backend: Backend) -> Result<()> {
    let (_, tool) = flooded::<S>(backend, &["--json", "-n", "3"])?;
    let (rows, end) = ended_well(S::TOOL, &tool.finish()?)?;
    ensure!(rows.len() == 3, "{} rows", rows.len());
    ensure!(end.lost == 0, "what is left in the ring then is not lost");
    Ok(())
}

/// Also where nothing happens, so that one sees that tracing has begun.
fn header_before_rows<S: Subject>(backend: Backend) -> Result<()> {
    let tool = quiet::<S>(backend, &[])?;
    tool.wait_stdout("the header", |lines| lines.iter().any(|line| line.contains("COMM")))?;
    let output = tool.stop()?;
    ensure!(output.stdout.len() == 1, "more than a header: {:?}", output.stdout);
    ensure!(output.status.code() == Some(0), "{}", output.status);
    Ok(())
}

fn no_header<S: Subject>(backend: Backend) -> Result<()> {
    let (pid, tool) = flooded::<S>(backend, &["--no-header", "-n", "1"])?;
    let output = tool.finish()?;
    let [row] = &output.stdout[..] else { anyhow::bail!("not one line: {:?}", output.stdout) };
    ensure!(row.split(' ').any(|cell| cell == pid.to_string()), "no row: {row}");
    Ok(())
}

/// `| head -1` ends by itself, though nothing happens any more.
fn closed_stdout<S: Subject>(backend: Backend) -> Result<()> {
    let args = flood::args::<S>(backend, process::id(), &[]);
    let (tool, stdout) = Tool::start_unread(&args.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut header = String::new();
    let mut stdout = BufReader::new(stdout);
    stdout.read_line(&mut header).context("reading the header")?;
    ensure!(header.contains("COMM"), "no header: {header}");
    drop(stdout);
    let output = tool.finish()?;
    ensure!(output.status.code() == Some(0), "{}\n{}", output.status, output.stderr.join("\n"));
    Ok(())
}

/// The kernel skips no program where none can cost a row, and nothing else happens.
pub fn none_skipped<S: Subject>(setup: Setup, end: &Losses) -> Result<()> {
    ensure!(S::may_lose(setup) || end.skipped == 0, "{} skipped", end.skipped);
    Ok(())
}

/// A tool that does not get to run loses rows, and says how many, to the last one.
fn overflow<S: Subject>(backend: Backend) -> Result<()> {
    let scenario = Scenario::<S::Deed>::prepare(&[S::FLOOD.case])?;
    let tool = flood::start::<S>(backend, scenario.pid(S::FLOOD.case), &["--json", "--buffer-size", "4K"])?;
    let setup = Setup::here(backend, &tool.backend_line());
    tool.signal(Signal::SIGSTOP)?;
    let tool = flood::play(tool, scenario)?;
    tool.signal(Signal::SIGCONT)?;
    let output = tool.stop()?;
    let (rows, end) = ended_well(S::TOOL, &output)?;
    end.account_for(S::FLOOD.rows, rows.len() as u64)?;
    none_skipped::<S>(setup, &end)?;
    ensure!(end.lost > 0, "a ring of 4 KiB held {} rows", rows.len());
    let told = output.stderr.iter().any(|line| line.contains("lost") && line.contains(&end.lost.to_string()));
    ensure!(told, "stderr does not say so: {:?}", output.stderr);
    Ok(())
}
