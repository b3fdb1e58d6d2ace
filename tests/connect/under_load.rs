//! Sums and rows of a tool that is started, ended or at work on a machine that is busy.

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use libtest_mimic::Completion;
use libtest_mimic::Trial;

use super::attempt::Attempt;
use super::cases::CONTENDED_FLOOD;
use super::cases::FEW;
use super::cases::OTHER_CROWD;
use super::cases::STREAM;
use super::cases::TIMING_OUT;
use super::cases::TIMING_OUT_HELD;
use super::differences::may_stay_pending;
use super::differences::tells_skips;
use super::endings::args;
use super::loads;
use super::loads::CONTENDED_ATTEMPTS;
use super::loads::CROWD_ATTEMPTS;
use super::loads::FEW_ATTEMPTS;
use crate::common::backend::Backend;
use crate::common::flood::ended;
use crate::common::machine;
use crate::common::message::Verdict;
use crate::common::row::Losses;
use crate::common::row::Row;
use crate::common::run::Scenario;
use crate::common::tool::Tool;

type Body = fn(Backend) -> Result<Completion>;

const TRIALS: &[(&str, Body)] = &[
    ("amid-attempts", amid_attempts),
    ("contended", |backend| contended(backend, &[])),
    ("contended-outcome", |backend| contended(backend, &["--outcome"])),
    ("share", share),
    (TIMING_OUT, |backend| timing_out(backend, TIMING_OUT)),
    (TIMING_OUT_HELD, |backend| timing_out(backend, TIMING_OUT_HELD)),
];

pub fn trials(backend: Backend) -> Vec<Trial> {
    let trial = |&(name, body): &(&str, Body)| {
        let name = format!("tcpconnect/{}/under-load/{name}", backend.name());
        Trial::ignorable_test(name, move || body(backend).map_err(|error| format!("{error:#}").into()))
    };
    TRIALS.iter().map(trial).collect()
}

/// Programs are attached and detached one after the other, while attempts are made: half an attempt is
/// no attempt, and nothing of it counts as missed.
fn amid_attempts(backend: Backend) -> Result<Completion> {
    let mut scenario = Scenario::<Attempt>::prepare(&[STREAM])?;
    let pid = scenario.pid(STREAM).to_string();
    scenario.start()?;
    for _ in 0..2 {
        let tool =
            Tool::start(&args(backend, &pid, &["--json", "--outcome", "--duration", "0.2", "--buffer-size", "4M"]))?;
        let classic = tool.backend_line().contains("classic");
        let (rows, end) = ended("tcpconnect", &tool.finish()?)?;
        ensure!(!rows.is_empty(), "no rows");
        ensure!(end.lost == 0, "{} lost", end.lost);
        ensure!(end.pending <= Some(1), "{:?} pending", end.pending);
        let mut at_the_edge = 0;
        for row in rows {
            let result = row.text("result");
            let refused = result == Some("ECONNREFUSED") && row.has("sport") && row.has("latency_ns");
            at_the_edge += u64::from(!refused);
            // Its call began before returns were looked for, or it ended after its end was.
            let may_be = match result {
                Some("pending" | "ECONNREFUSED" | "failed") | None => true,
                Some("closed") => classic,
                Some(_) => false,
            };
            ensure!(may_be, "{}", row.line);
        }
        // Without BTF the error is not there until returns are looked for, which takes a while.
        ensure!(classic || at_the_edge <= 2, "{at_the_edge} rows are not whole");
    }
    Ok(Completion::Completed)
}

/// One CPU both connects and is busy with bpf(2), so that the kernel skips programs.
fn contended(backend: Backend, options: &[&str]) -> Result<Completion> {
    let run = play(backend, CONTENDED_FLOOD, options)?;
    let Some((_, rows, end)) = run else { return Ok(Completion::ignored_with("skipped: bpf(2) needs root here")) };
    ensure!(end.lost == end.half, "{} lost, of which half seen {}", end.lost, end.half);
    ensure!(end.pending == Some(0), "{:?} pending", end.pending);
    // kprobe by default makes its rows in programs that bpf(2) keeps from running.
    if options.is_empty() && backend == Backend::Kprobe && !tells_skips(machine::kernel()) {
        ensure!(rows.len() as u64 + end.lost <= CONTENDED_ATTEMPTS, "{} rows, {} lost", rows.len(), end.lost);
    } else {
        end.account_for(CONTENDED_ATTEMPTS, rows.len() as u64)?;
    }
    // Neither uses a program there that bpf(2) keeps from running; with --outcome tracepoint does, on a system call.
    let typed = backend == Backend::Tracepoint && machine::has_btf() && options.is_empty();
    let unskipped = backend == Backend::Fentry || typed;
    ensure!(!unskipped || end.skipped == 0, "{} skipped", end.skipped);
    Ok(Completion::Completed)
}

/// A time-out that the kernel did not show us is found by its socket: when that ends, or, where it is still
/// open at the end of the run, by the last look.
fn timing_out(backend: Backend, load: &'static str) -> Result<Completion> {
    let run = play(backend, load, &["--outcome"])?;
    let (made, rows, end) = run.context("it needs nothing that could be missing")?;
    let timed_out = loads::timing_out_attempts();
    let classic = backend == Backend::Tracepoint && !machine::has_btf();
    // Whose memory must not be read is not looked at.
    let blind = load == TIMING_OUT_HELD && may_stay_pending(machine::is_confidential());
    ensure!(blind || end.pending == Some(0), "{:?} are pending, of {} skipped", end.pending, end.skipped);
    end.account_for(made, end.rows.context("no number of rows")?)?;
    let silent = rows.iter().map(|row| row.number::<u16>("dport")).min().context("no rows")?; // the load's first port
    let silent = rows.iter().filter(|row| row.number("dport") == silent).collect::<Vec<_>>();
    ensure!(silent.len() as u64 + end.lost + end.skipped >= timed_out, "{} rows of {timed_out}", silent.len());
    for row in silent {
        let right = match row.text("result") {
            Some("ETIMEDOUT") => !classic,
            Some("failed" | "closed") => classic,
            None => classic && end.skipped > 0,
            Some("pending") => blind,
            Some(_) => false,
        };
        ensure!(right, "{}", row.line);
    }
    Ok(Completion::Completed)
}

/// One user's attempts that nobody answers take their share of the map and no more.
fn share(backend: Backend) -> Result<Completion> {
    let mut scenario = Scenario::<Attempt>::prepare(&[OTHER_CROWD, FEW])?;
    let (crowd, few) = (scenario.pid(OTHER_CROWD), scenario.pid(FEW));
    let pids = format!("{crowd},{few}");
    let tool = Tool::start(&args(backend, &pids, &["--json", "--outcome", "--max-in-flight", "32"]))?;
    scenario.play()?;
    let output = tool.stop()?;
    let (_, verdicts) = scenario.end()?;
    for (case, verdict) in &verdicts {
        match verdict {
            Verdict::Done => {}
            Verdict::Skipped(why) => return Ok(Completion::ignored_with(format!("skipped: {why}"))),
            Verdict::Failed(why) => bail!("the scenario: {case}: {why}"),
        }
    }
    let (rows, end) = ended("tcpconnect", &output)?;
    let of = |pid| rows.iter().filter(move |row| row.pid() == Some(pid));
    ensure!(of(few).count() as u64 == FEW_ATTEMPTS, "{} rows of {FEW_ATTEMPTS}", of(few).count());
    ensure!(of(few).all(|row| row.text("result") == Some("ECONNREFUSED")), "they are to be refused");
    ensure!(end.pending == Some(8) && of(crowd).count() == 8, "{:?} of 32 pending, not a quarter", end.pending);
    end.account_for(CROWD_ATTEMPTS + FEW_ATTEMPTS, end.rows.context("no number of rows")?)?;
    ensure!(output.stderr.iter().any(|line| line.contains("--max-in-flight")), "no remedy: {:?}", output.stderr);
    Ok(Completion::Completed)
}

/// A load's number, rows and losses; `None` where it cannot be played.
fn play(backend: Backend, load: &'static str, options: &[&str]) -> Result<Option<(u64, Vec<Row>, Losses)>> {
    let mut scenario = Scenario::<Attempt>::prepare(&[load])?;
    let pid = scenario.pid(load).to_string();
    let tool = Tool::start(&args(backend, &pid, &[&["--json", "--buffer-size", "16M"], options].concat()))?;
    scenario.play()?;
    let (rows, end) = ended("tcpconnect", &tool.stop()?)?;
    let made = scenario.made;
    let (_, verdicts) = scenario.end()?;
    match &verdicts[..] {
        [(_, Verdict::Done)] => Ok(Some((made, rows, end))),
        [(_, Verdict::Skipped(_))] => Ok(None),
        other => bail!("the scenario: {other:?}"),
    }
}
