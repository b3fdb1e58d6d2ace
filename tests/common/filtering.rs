//! The kernel-side filters: the same comparer, held to those deeds that the options let through.

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use libtest_mimic::Completion;
use libtest_mimic::Failed;
use libtest_mimic::Trial;

use super::backend::Backend;
use super::judge;
use super::message::Verdict;
use super::run;
use super::run::Run;
use super::run::Scenario;
use super::setup::Setup;
use super::subject::Subject;

pub struct Filter<S: Subject> {
    pub name: &'static str,
    /// They may name the processes of the cases.
    pub args: fn(&Scenario<S::Deed>) -> Vec<String>,
    pub lets_through: fn(&S::Deed) -> bool,
}

/// A trial for each filter, over `cases`.
pub fn trials<S: Subject>(
    backend: Backend,
    cases: &'static [&'static str],
    filters: &'static [Filter<S>],
) -> Vec<Trial> {
    let trial = |filter: &'static Filter<S>| {
        let name = format!("{}/filters/{}", backend.name(), filter.name);
        Trial::ignorable_test(name, move || try_filter(backend, cases, filter).map_err(failed))
    };
    filters.iter().map(trial).collect()
}

fn failed(error: anyhow::Error) -> Failed {
    format!("{error:#}").into()
}

fn try_filter<S: Subject>(backend: Backend, cases: &[&str], filter: &Filter<S>) -> Result<Completion> {
    let mode = S::modes()[0];
    let run = run::play(cases, mode.format, |scenario| {
        let mut args = vec![S::TOOL.to_owned(), "--backend".to_owned(), backend.name().to_owned()];
        args.extend(mode.args.iter().map(|&arg| arg.to_owned()));
        args.extend((filter.args)(scenario));
        args
    })?;
    let deeds = played(cases, &run)?.iter().filter(|deed| (filter.lets_through)(deed)).collect::<Vec<_>>();
    if deeds.is_empty() {
        return Ok(Completion::ignored_with("skipped: what it lets through cannot be played here"));
    }
    if deeds.len() == run.deeds.len() {
        return Ok(Completion::ignored_with("skipped: what it keeps back cannot be played here"));
    }
    let pids = run.pids.iter().map(|&(_, pid)| pid).collect::<Vec<_>>();
    let rows = run.rows.iter().filter(|row| pids.contains(&row.pid)).collect::<Vec<_>>();
    let wrong = judge::case::<S>(Setup::here(backend, &run.backend_line), mode, &deeds, &rows);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(Completion::Completed)
}

/// The deeds, if the scenario played the cases that this machine can play.
fn played<'a, D>(cases: &[&str], run: &'a Run<D>) -> Result<&'a [D]> {
    for case in cases {
        let (_, verdict) = run.verdicts.iter().find(|(name, _)| name == case).with_context(|| (*case).to_owned())?;
        if let Verdict::Failed(why) = verdict {
            bail!("the scenario: {case}: {why}");
        }
    }
    Ok(&run.deeds)
}
