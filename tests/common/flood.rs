//! A load of many deeds that are alike, which each tool brings for the trials that all share.

use anyhow::Result;
use anyhow::ensure;
use libtest_mimic::Trial;

use super::backend::Backend;
use super::message::Verdict;
use super::mode::Format;
use super::row::Losses;
use super::row::Row;
use super::run;
use super::run::Scenario;
use super::subject::Deed;
use super::subject::Subject;
use super::tool::Output;
use super::tool::Tool;

pub struct Flood {
    /// Its name among the subject's loads.
    pub case: &'static str,
    /// How many rows it makes, of one process, by one name.
    pub rows: u64,
    /// A field that has another value in each of them, and the options that it takes.
    pub distinct: &'static str,
    pub options: &'static [&'static str],
}

pub type Body = fn(Backend) -> Result<()>;

pub fn trials<S: Subject>(backend: Backend, group: &str, bodies: &[(&str, Body)]) -> Vec<Trial> {
    let trial = |&(name, body): &(&str, Body)| {
        let name = format!("{}/{}/{group}/{name}", S::TOOL, backend.name());
        Trial::test(name, move || body(backend).map_err(|error| format!("{error:#}").into()))
    };
    bodies.iter().map(trial).collect()
}

/// The tool with this backend, showing only what one process does.
pub fn args<S: Subject>(backend: Backend, pid: u32, more: &[&str]) -> Vec<String> {
    let args = [S::TOOL, "--backend", backend.name()].map(str::to_owned);
    args.into_iter().chain(S::only(pid)).chain(more.iter().map(|&arg| arg.to_owned())).collect()
}

pub fn start<S: Subject>(backend: Backend, pid: u32, more: &[&str]) -> Result<Tool> {
    let args = args::<S>(backend, pid, more);
    Tool::start(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Plays what was prepared; the tool is as it was.
pub fn play<D: Deed>(tool: Tool, mut scenario: Scenario<D>) -> Result<Tool> {
    scenario.play()?;
    let (_, verdicts) = scenario.end()?;
    let all_done = verdicts.iter().all(|(_, verdict)| matches!(verdict, Verdict::Done));
    ensure!(!verdicts.is_empty() && all_done, "the scenario: {verdicts:?}");
    Ok(tool)
}

/// The tool once the flood is over, and the flood's process.
pub fn flooded<S: Subject>(backend: Backend, more: &[&str]) -> Result<(u32, Tool)> {
    let scenario = Scenario::<S::Deed>::prepare(&[S::FLOOD.case])?;
    let pid = scenario.pid(S::FLOOD.case);
    Ok((pid, play(start::<S>(backend, pid, more)?, scenario)?))
}

/// It ended well: the rows, those that are pending among them, and what the last object says.
pub fn ended(tool: &str, output: &Output) -> Result<(Vec<Row>, Losses)> {
    ensure!(output.status.code() == Some(0), "{}\n{}", output.status, output.stderr.join("\n"));
    let (rows, losses) = run::read(tool, Format::Json, &output.stdout)?;
    match losses.last() {
        Some(end) if end.end => Ok((rows, end.clone())),
        other => anyhow::bail!("the last object is not the end: {other:?}"),
    }
}

/// The same, where nothing was pending.
pub fn ended_well(tool: &str, output: &Output) -> Result<(Vec<Row>, Losses)> {
    let (rows, end) = ended(tool, output)?;
    ensure!(end.rows == Some(rows.len() as u64), "it counts {:?} rows, printed {}", end.rows, rows.len());
    Ok((rows, end))
}
