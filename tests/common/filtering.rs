//! The kernel-side filters: the same comparer, held to those deeds that the options let through.

use std::fs;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use libtest_mimic::Completion;
use libtest_mimic::Trial;

use super::backend::Backend;
use super::cgroup;
use super::judge;
use super::machine;
use super::message::Verdict;
use super::mode::Mode;
use super::repeat;
use super::run;
use super::run::Run;
use super::run::Scenario;
use super::setup::Setup;
use super::subject::Deed;
use super::subject::Subject;
use super::totals;

pub struct Filter<S: Subject> {
    pub name: &'static str,
    /// They may name the processes of the cases.
    pub args: fn(&Scenario<S::Deed>) -> Vec<String>,
    pub lets_through: fn(&S::Deed) -> bool,
}

/// A trial for each filter, over `cases`, in the first mode.
pub fn trials<S: Subject>(
    backend: Backend,
    cases: &'static [&'static str],
    filters: &'static [Filter<S>],
) -> Vec<Trial> {
    let filtered = |filter: &'static Filter<S>| Filtered {
        name: format!("{}/filters/{}", backend.name(), filter.name),
        backend,
        mode: S::modes()[0],
        cases,
        filter,
        alone: machine::is_ours_alone(),
    };
    filters.iter().map(|filter| filtered(filter).trial()).collect()
}

/// A trial for each mode: some make rows in other places, and look at the filter there. It has to name processes, so
/// that what is counted is about them alone.
pub fn trials_in<S: Subject>(
    modes: Vec<&'static Mode>,
    backend: Backend,
    cases: &'static [&'static str],
    filter: &'static Filter<S>,
) -> Vec<Trial> {
    let filtered = |mode: &'static Mode| Filtered {
        name: format!("{}/filters/{}-{}", backend.name(), filter.name, mode.name),
        backend,
        mode,
        cases,
        filter,
        alone: true,
    };
    modes.into_iter().map(|mode| filtered(mode).trial()).collect()
}

/// The options to filter by a network namespace, which takes BTF.
pub fn netns_of(pid: u32) -> Vec<String> {
    if machine::has_btf() { vec![format!("--netns=/proc/{pid}/ns/net")] } else { vec![] }
}

/// The options to filter by a cgroup that then has these processes.
pub fn cgroup_of(pids: &[u32]) -> Vec<String> {
    cgroup::with(pids).into_iter().map(|cgroup| format!("--cgroup={}", cgroup.display())).collect()
}

/// The name of a process's first thread.
pub fn name_of(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).expect("a process that is there");
    name.trim_end().to_owned()
}

/// Nets in which nobody is: as many as it takes for the kernel to search.
pub fn other_nets() -> String {
    let v4 = (0..1000).map(|number| format!("10.{}.{}.0/24", number / 250, number % 250));
    let v6 = (0..1000).map(|number| format!("2001:db8:{number:x}::/48"));
    v4.chain(v6).collect::<Vec<_>>().join(",")
}

struct Filtered<S: Subject> {
    name: String,
    backend: Backend,
    mode: &'static Mode,
    cases: &'static [&'static str],
    filter: &'static Filter<S>,
    /// Nothing that other processes do passes the filter.
    alone: bool,
}

impl<S: Subject> Filtered<S> {
    fn trial(self) -> Trial {
        Trial::ignorable_test(self.name.clone(), move || self.test().map_err(|error| format!("{error:#}").into()))
    }

    fn test(&self) -> Result<Completion> {
        let mut number = 1;
        loop {
            let run = self.play();
            cgroup::remove();
            let run = run?;
            let verdict = self.judge(&run);
            match repeat::reason::<S>(Setup::here(self.backend, &run.backend_line), &run) {
                Some(told) if verdict.is_err() && number < repeat::RUNS => repeat::tell(&self.name, told),
                _ => return verdict,
            }
            number += 1;
        }
    }

    fn play(&self) -> Result<Run<S::Deed>> {
        run::play(self.cases, self.mode.format, |scenario| {
            let mut args = vec![S::TOOL.to_owned(), "--backend".to_owned(), self.backend.name().to_owned()];
            args.extend(self.mode.args.iter().map(|&arg| arg.to_owned()));
            args.extend((self.filter.args)(scenario));
            args
        })
    }

    fn judge(&self, run: &Run<S::Deed>) -> Result<Completion> {
        let lets_through = |deed: &&S::Deed| (self.filter.lets_through)(deed);
        let deeds = played(self.cases, run)?.iter().filter(lets_through).collect::<Vec<_>>();
        if deeds.is_empty() {
            return Ok(Completion::ignored_with("skipped: what it lets through cannot be played here"));
        }
        if deeds.len() == run.deeds.len() {
            return Ok(Completion::ignored_with("skipped: what it keeps back cannot be played here"));
        }
        let pids = run.pids.iter().map(|&(_, pid)| pid).collect::<Vec<_>>();
        let rows = run.rows.iter().filter(|row| pids.contains(&row.pid)).collect::<Vec<_>>();
        let setup = Setup::here(self.backend, &run.backend_line);
        let mut wrong = judge::case::<S>(setup, self.mode, &deeds, &rows);
        wrong.extend(run.strays::<S>().map(|row| format!("of nothing that was done: {}", row.line)));
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        let made = deeds.iter().filter(|deed| deed.is_pending()).count() as u64;
        totals::add_up::<S>(setup, self.mode, run, made, self.alone)?;
        Ok(Completion::Completed)
    }
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
