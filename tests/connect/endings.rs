//! How a run begins and ends: the header, signals, closed output, limits, and a ring that overflows.

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

use super::attempt::Attempt;
use super::cases::CROWD;
use super::cases::FLOOD;
use super::cases::OTHER_CROWD;
use super::loads::CROWD_ATTEMPTS;
use super::loads::FLOOD_ATTEMPTS;
use crate::common::backend::Backend;
use crate::common::machine;
use crate::common::message::Verdict;
use crate::common::mode::Format;
use crate::common::row::Losses;
use crate::common::row::Row;
use crate::common::run;
use crate::common::tool::Output;
use crate::common::tool::Tool;

type Scenario = run::Scenario<Attempt>;
type Body = fn(Backend) -> Result<()>;

const ENDINGS: &[(&str, Body)] = &[
    ("sigint", |backend| quiet_end_by(backend, Signal::SIGINT)),
    ("sigterm", |backend| quiet_end_by(backend, Signal::SIGTERM)),
    ("sighup", |backend| quiet_end_by(backend, Signal::SIGHUP)),
    ("ignored-sighup", ignored_sighup),
    ("endless-duration", endless_duration),
    ("duration", duration),
    ("max-events", max_events),
    ("header-before-rows", header_before_rows),
    ("no-header", no_header),
    ("closed-stdout", closed_stdout),
    ("overflow", overflow),
];

/// Of runs that follow attempts to their end.
const OUTCOME_ENDINGS: &[(&str, Body)] =
    &[("nothing-left-behind", nothing_left_behind), ("full-map", full_map), ("unreadable-map", unreadable_map)];

pub fn trials(backend: Backend) -> Vec<Trial> {
    let trial = |&(name, body): &(&str, Body)| {
        let name = format!("tcpconnect/{}/endings/{name}", backend.name());
        Trial::test(name, move || body(backend).map_err(|error| format!("{error:#}").into()))
    };
    ENDINGS.iter().chain(OUTCOME_ENDINGS).map(trial).collect()
}

/// The tool with this backend, showing only the attempts of one process.
pub fn args<'a>(backend: Backend, pid: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["tcpconnect", "--backend", backend.name(), "-p", pid];
    args.extend(more);
    args
}

/// Of this process, which makes no attempts.
fn quiet(backend: Backend, more: &[&str]) -> Result<Tool> {
    Tool::start(&args(backend, &process::id().to_string(), more))
}

/// The rows, those that are pending among them, and what the last object says.
pub fn ended(output: &Output) -> Result<(Vec<Row>, Losses)> {
    ensure!(output.status.code() == Some(0), "{}\n{}", output.status, output.stderr.join("\n"));
    let (rows, losses) = run::read("tcpconnect", Format::Json, &output.stdout)?;
    let end = losses.last().context("no object at the end")?.clone();
    ensure!(end.end, "the last object is not the end");
    Ok((rows, end))
}

/// Nothing was pending.
pub fn ended_well(output: &Output) -> Result<(Vec<Row>, Losses)> {
    let (rows, end) = ended(output)?;
    ensure!(end.rows == Some(rows.len() as u64), "it counts {:?} rows, printed {}", end.rows, rows.len());
    Ok((rows, end))
}

fn quiet_end_by(backend: Backend, signal: Signal) -> Result<()> {
    let tool = quiet(backend, &["--json"])?;
    tool.signal(signal)?;
    let (rows, end) = ended_well(&tool.finish()?)?;
    ensure!(rows.is_empty() && end.lost == 0, "rows of a process that made no attempt");
    Ok(())
}

/// As under nohup(1), it goes on.
fn ignored_sighup(backend: Backend) -> Result<()> {
    // SAFETY: neither action runs code. Trials run one at a time, and no other starts a process meanwhile.
    let before = unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }?;
    let tool = quiet(backend, &["--json", "--duration", "1"]);
    // SAFETY: as above.
    unsafe { signal(Signal::SIGHUP, before) }?;
    let (tool, started) = (tool?, Instant::now());
    tool.signal(Signal::SIGHUP)?;
    ended_well(&tool.finish()?)?;
    ensure!(started.elapsed() >= Duration::from_millis(500), "it ended after {:?}", started.elapsed());
    Ok(())
}

/// Longer than the clock can count.
fn endless_duration(backend: Backend) -> Result<()> {
    ended_well(&quiet(backend, &["--json", "--duration", "1.8e19"])?.stop()?)?;
    Ok(())
}

fn duration(backend: Backend) -> Result<()> {
    let started = Instant::now();
    let tool = quiet(backend, &["--json", "--duration", "0.3"])?;
    ended_well(&tool.finish()?)?;
    ensure!(started.elapsed() >= Duration::from_millis(300), "it ended after {:?}", started.elapsed());
    Ok(())
}

/// A load under the tool.
pub fn play(tool: Tool, mut scenario: Scenario) -> Result<Tool> {
    scenario.play()?;
    let (_, verdicts) = scenario.end()?;
    let all_done = verdicts.iter().all(|(_, verdict)| matches!(verdict, Verdict::Done));
    ensure!(!verdicts.is_empty() && all_done, "the scenario: {verdicts:?}");
    Ok(tool)
}

fn max_events(backend: Backend) -> Result<()> {
    let scenario = Scenario::prepare(&[FLOOD])?;
    let pid = scenario.pid(FLOOD).to_string();
    let tool = Tool::start(&args(backend, &pid, &["--json", "-n", "3"]))?;
    let (rows, end) = ended_well(&play(tool, scenario)?.finish()?)?;
    ensure!(rows.len() == 3, "{} rows", rows.len());
    ensure!(end.lost == 0, "what is left in the ring then is not lost");
    Ok(())
}

/// Also where nothing happens, so that one sees that tracing has begun.
fn header_before_rows(backend: Backend) -> Result<()> {
    let tool = quiet(backend, &[])?;
    tool.wait_stdout("the header", |lines| lines.iter().any(|line| line.contains("DADDR")))?;
    let output = tool.stop()?;
    ensure!(output.stdout.len() == 1, "more than a header: {:?}", output.stdout);
    ensure!(output.status.code() == Some(0), "{}", output.status);
    Ok(())
}

fn no_header(backend: Backend) -> Result<()> {
    let scenario = Scenario::prepare(&[FLOOD])?;
    let pid = scenario.pid(FLOOD).to_string();
    let tool = Tool::start(&args(backend, &pid, &["--no-header", "-n", "1"]))?;
    let output = play(tool, scenario)?.finish()?;
    let [row] = &output.stdout[..] else { anyhow::bail!("not one line: {:?}", output.stdout) };
    ensure!(row.starts_with(&pid), "no row: {row}");
    Ok(())
}

/// `| head -1` ends by itself, though nothing happens any more.
fn closed_stdout(backend: Backend) -> Result<()> {
    let pid = process::id().to_string();
    let (tool, stdout) = Tool::start_unread(&args(backend, &pid, &[]))?;
    let mut header = String::new();
    let mut stdout = BufReader::new(stdout);
    stdout.read_line(&mut header).context("reading the header")?;
    ensure!(header.contains("DADDR"), "no header: {header}");
    drop(stdout);
    let output = tool.finish()?;
    ensure!(output.status.code() == Some(0), "{}\n{}", output.status, output.stderr.join("\n"));
    Ok(())
}

/// The kernel skips no program of fentry, and no typed tracepoint, where nothing else happens.
fn none_skipped(backend: Backend, end: &Losses) -> Result<()> {
    let may_be = backend == Backend::Kprobe || backend == Backend::Tracepoint && !machine::has_btf();
    ensure!(may_be || end.skipped == 0, "{} skipped", end.skipped);
    Ok(())
}

/// A tool that does not get to run loses rows, and says how many, to the last one.
fn overflow(backend: Backend) -> Result<()> {
    let scenario = Scenario::prepare(&[FLOOD])?;
    let pid = scenario.pid(FLOOD).to_string();
    let tool = Tool::start(&args(backend, &pid, &["--json", "--buffer-size", "4K"]))?;
    tool.signal(Signal::SIGSTOP)?;
    let tool = play(tool, scenario)?;
    tool.signal(Signal::SIGCONT)?;
    let output = tool.stop()?;
    let (rows, end) = ended_well(&output)?;
    end.account_for(FLOOD_ATTEMPTS, rows.len() as u64)?;
    none_skipped(backend, &end)?;
    ensure!(end.lost > 0, "a ring of 4 KiB held {} rows", rows.len());
    let told = output.stderr.iter().any(|line| line.contains("lost") && line.contains(&end.lost.to_string()));
    ensure!(told, "stderr does not say so: {:?}", output.stderr);
    Ok(())
}

/// Every attempt has ended, so none may be in flight.
fn nothing_left_behind(backend: Backend) -> Result<()> {
    let scenario = Scenario::prepare(&[FLOOD])?;
    let pid = scenario.pid(FLOOD).to_string();
    let tool = Tool::start(&args(backend, &pid, &["--json", "--outcome", "--buffer-size", "4M"]))?;
    let (rows, end) = ended_well(&play(tool, scenario)?.stop()?)?;
    end.account_for(FLOOD_ATTEMPTS, rows.len() as u64)?;
    none_skipped(backend, &end)?;
    Ok(())
}

/// More attempts at once than there is room for are counted, to the last one.
fn full_map(backend: Backend) -> Result<()> {
    let scenario = Scenario::prepare(&[CROWD])?;
    let pid = scenario.pid(CROWD).to_string();
    let tool = Tool::start(&args(backend, &pid, &["--json", "--outcome", "--max-in-flight", "8"]))?;
    let output = play(tool, scenario)?.stop()?;
    let (rows, end) = ended_well(&output)?;
    end.account_for(CROWD_ATTEMPTS, rows.len() as u64)?;
    ensure!(end.lost > 0, "a map of 8 held {}", rows.len());
    ensure!(output.stderr.iter().any(|line| line.contains("lost")), "stderr does not say so: {:?}", output.stderr);
    Ok(())
}

/// Before 5.18 CAP_SYS_ADMIN, which attaches, may not be enough to read a map once it is dropped. That is told, and
/// never taken for an empty map.
fn unreadable_map(backend: Backend) -> Result<()> {
    const CAP_SYS_ADMIN: libc::c_ulong = 21;
    const CAP_SYS_RESOURCE: libc::c_ulong = 24;
    let mut scenario = Scenario::prepare(&[OTHER_CROWD])?;
    let pid = scenario.pid(OTHER_CROWD).to_string();
    let args = args(backend, &pid, &["--json", "--outcome"]);
    let tool = Tool::start_capable_of(&args, &[CAP_SYS_ADMIN, CAP_SYS_RESOURCE])?;
    scenario.play()?;
    let output = tool.stop()?;
    let (_, losses) = run::read("tcpconnect", Format::Json, &output.stdout)?;
    let end = losses.last().context("no object at the end")?;
    let told = output.stderr.iter().any(|line| line.contains("cannot read what is in flight"));
    let said = format!("{}, {end:?}\n{}", output.status, output.stderr.join("\n"));
    match end.pending {
        Some(pending) => ensure!(pending == CROWD_ATTEMPTS && output.status.success() && !told, "{said}"),
        None => ensure!(output.status.code() == Some(1) && told, "{said}"),
    }
    Ok(())
}
