//! Sums and rows of a tool that is started, ended or at work on a machine that is busy.

use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use libtest_mimic::Completion;
use libtest_mimic::Trial;

use super::attempt::Attempt;
use super::cases::CONTENDED_FLOOD;
use super::cases::STREAM;
use super::endings::args;
use super::endings::ended;
use super::loads::CONTENDED_ATTEMPTS;
use crate::common::backend::Backend;
use crate::common::message::Verdict;
use crate::common::run::Scenario;
use crate::common::tool::Tool;

type Body = fn(Backend) -> Result<Completion>;

const TRIALS: &[(&str, Body)] = &[
    ("amid-attempts", amid_attempts),
    ("contended", |backend| contended(backend, &[])),
    ("contended-outcome", |backend| contended(backend, &["--outcome"])),
];

pub fn trials(backend: Backend) -> Vec<Trial> {
    let trial = |&(name, body): &(&str, Body)| {
        let name = format!("{}/under-load/{name}", backend.name());
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
        let (rows, end) = ended(&tool.finish()?)?;
        ensure!(!rows.is_empty(), "no rows");
        ensure!(end.lost == 0, "{} lost", end.lost);
        ensure!(end.pending <= Some(1), "{:?} pending", end.pending);
        for row in rows {
            let result = row.result.as_deref();
            let refused = result == Some("ECONNREFUSED") && row.sport.is_some() && row.latency_ns.is_some();
            // Its call began before returns were looked for, or it ends after that.
            let at_the_edge =
                result == Some("pending") || classic && (result == Some("closed") || result == Some("failed"));
            ensure!(refused || at_the_edge, "{}", row.line);
        }
    }
    Ok(Completion::Completed)
}

/// What the kernel skips, as one CPU both connects and is busy with bpf(2), is counted: to the last
/// attempt by default. Of what it skips with --outcome not all costs a row.
fn contended(backend: Backend, options: &[&str]) -> Result<Completion> {
    let mut scenario = Scenario::<Attempt>::prepare(&[CONTENDED_FLOOD])?;
    let pid = scenario.pid(CONTENDED_FLOOD).to_string();
    let tool = Tool::start(&args(backend, &pid, &[&["--json", "--buffer-size", "4M"], options].concat()))?;
    scenario.play()?;
    tool.signal(nix::sys::signal::Signal::SIGINT)?;
    let (rows, end) = ended(&tool.finish()?)?;
    let (_, verdicts) = scenario.end()?;
    match &verdicts[..] {
        [(_, Verdict::Done)] => {}
        [(_, Verdict::Skipped(why))] => return Ok(Completion::ignored_with(format!("skipped: {why}"))),
        other => bail!("the scenario: {other:?}"),
    }
    let (shown, sum) = (rows.len() as u64, rows.len() as u64 + end.lost);
    ensure!(end.lost == end.missed, "{} lost, of which missed {}", end.lost, end.missed);
    ensure!(end.pending == Some(0), "{:?} pending", end.pending);
    let adds_up = if options.is_empty() {
        sum == CONTENDED_ATTEMPTS
    } else {
        shown <= CONTENDED_ATTEMPTS && sum >= CONTENDED_ATTEMPTS
    };
    ensure!(adds_up, "{shown} rows + {} lost of {CONTENDED_ATTEMPTS}", end.lost);
    Ok(Completion::Completed)
}
