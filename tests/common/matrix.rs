//! Every case, in every mode, by every backend: a trial each. The cases of one backend and mode
//! share one run, made when the first of them is asked for.

use std::sync::Arc;
use std::sync::OnceLock;

use libtest_mimic::Completion;
use libtest_mimic::Failed;
use libtest_mimic::Trial;

use super::backend::Backend;
use super::judge;
use super::machine;
use super::message::Verdict;
use super::mode::Mode;
use super::repeat;
use super::row::Row;
use super::run;
use super::run::Run;
use super::setup::Setup;
use super::subject::Deed;
use super::subject::Subject;
use super::totals;

pub fn trials<S: Subject>(backend: Backend) -> Vec<Trial> {
    S::modes().into_iter().flat_map(|mode| mode_trials::<S>(backend, mode)).collect()
}

fn mode_trials<S: Subject>(backend: Backend, mode: &'static Mode) -> Vec<Trial> {
    let run = Arc::new(Shared::<S> { backend, mode, runs: Default::default() });
    let name = |case: &str| format!("{}/{}/{case}", backend.name(), mode.name);
    let mut trials = S::CASES
        .iter()
        .map(|case| {
            let run = Arc::clone(&run);
            Trial::ignorable_test(name(case.name), move || run.case(case.name))
        })
        .collect::<Vec<_>>();
    let totals = Arc::clone(&run);
    trials.push(Trial::test(name("totals"), move || totals.totals()));
    trials.push(Trial::test(name("strays"), move || run.strays()));
    trials
}

/// The runs of one backend in one mode: one, as a rule.
struct Shared<S: Subject> {
    backend: Backend,
    mode: &'static Mode,
    runs: [OnceLock<Result<Run<S::Deed>, String>>; repeat::RUNS],
}

impl<S: Subject> Shared<S> {
    fn run(&self, number: usize) -> Result<&Run<S::Deed>, Failed> {
        let play = || {
            let cases = S::CASES.iter().map(|case| case.name).collect::<Vec<_>>();
            let run = run::play(&cases, self.mode.format, |_| {
                let args = [S::TOOL, "--backend", self.backend.name()];
                args.iter().chain(self.mode.args).map(|&arg| arg.to_owned()).collect()
            });
            run.map_err(|error| format!("{error:#}"))
        };
        self.runs[number].get_or_init(play).as_ref().map_err(Failed::from)
    }

    fn setup(&self, run: &Run<S::Deed>) -> Setup {
        Setup::here(self.backend, &run.backend_line)
    }

    /// Of the runs so far, and of another one where the kernel skipped a program.
    fn judge<T>(&self, judge: impl Fn(&Run<S::Deed>) -> Result<T, Failed>) -> Result<T, Failed> {
        let mut number = 0;
        loop {
            let run = self.run(number)?;
            let verdict = judge(run);
            number += 1;
            let reason = repeat::reason::<S>(self.setup(run), run);
            let Some(told) = reason.filter(|_| verdict.is_err() && number < repeat::RUNS) else {
                return verdict;
            };
            if self.runs[number].get().is_none() {
                repeat::tell(&format!("{} {}", self.backend.name(), self.mode.name), told);
            }
        }
    }

    fn case(&self, name: &str) -> Result<Completion, Failed> {
        self.judge(|run| self.case_in(run, name))
    }

    fn case_in(&self, run: &Run<S::Deed>, name: &str) -> Result<Completion, Failed> {
        let verdict = run.verdicts.iter().find(|(case, _)| case == name);
        match verdict.map(|(_, verdict)| verdict) {
            None => return Err("the scenario did not play it".into()),
            Some(Verdict::Failed(why)) => return Err(format!("the scenario: {why}").into()),
            Some(Verdict::Skipped(why)) => return Ok(Completion::ignored_with(format!("skipped: {why}"))),
            Some(Verdict::Done) => {}
        }
        let (deeds, rows) = of_case(run, name);
        let wrong = judge::case::<S>(self.setup(run), self.mode, &deeds, &rows);
        match wrong.is_empty() {
            true => Ok(Completion::Completed),
            false => Err(format!("{}\n  in a run that ended with {:?}", some_of(&wrong), run.losses.last()).into()),
        }
    }

    /// Rows, losses and what is pending add up, and the clocks of the whole run agree.
    fn totals(&self) -> Result<(), Failed> {
        self.judge(|run| {
            let made = run.deeds.iter().filter(|deed| deed.is_pending()).count() as u64;
            totals::add_up::<S>(self.setup(run), self.mode, run, made, machine::is_ours_alone())?;
            if run.rows.iter().any(|row| row.since_first.is_some()) {
                since_first(run)?;
            }
            Ok(())
        })
    }

    /// No row is about what no case did, or about somebody else.
    fn strays(&self) -> Result<(), Failed> {
        self.judge(|run| {
            let strays = run.strays::<S>().map(|row| row.line.clone()).collect::<Vec<_>>();
            check(strays.is_empty(), &format!("of nothing that was done:\n{}", some_of(&strays)))
        })
    }
}

/// A case of many deeds fails in many ways; the first few tell it all.
fn some_of(wrong: &[String]) -> String {
    const ENOUGH: usize = 3;
    let some = wrong.iter().take(ENOUGH).map(String::as_str).collect::<Vec<_>>().join("\n");
    let rest = wrong.len().saturating_sub(ENOUGH);
    if rest == 0 { some } else { format!("{some}\n… and {rest} more") }
}

fn of_case<'a, D: Deed>(run: &'a Run<D>, name: &str) -> (Vec<&'a D>, Vec<&'a Row>) {
    let deeds = run.deeds.iter().filter(|deed| deed.by().case == name).collect::<Vec<_>>();
    let pids = run.pids.iter().filter(|(case, _)| case == name).map(|&(_, pid)| pid).collect::<Vec<_>>();
    let is_of_it = |row: &&Row| pids.contains(&row.pid) || deeds.iter().any(|deed| deed.may_be(row));
    let rows = run.rows.iter().filter(is_of_it).collect();
    (deeds, rows)
}

fn check(right: bool, otherwise: &str) -> Result<(), Failed> {
    if right { Ok(()) } else { Err(otherwise.into()) }
}

/// TIME(s) is cut to milliseconds.
const MILLISECOND: f64 = 0.001;

/// TIME(s) counts from the first row: some moment there is from which all rows' times are right.
fn since_first<D: Deed>(run: &Run<D>) -> Result<(), Failed> {
    let precision = MILLISECOND + judge::clock_tolerance_ns() as f64 / 1e9;
    let (mut from, mut to) = (f64::MIN, f64::MAX);
    for deed in &run.deeds {
        let by = deed.by();
        let rows = run.rows.iter().filter(|row| deed.may_be(row)).collect::<Vec<_>>();
        // Where a row may be of several, only the comparer could tell which is which.
        let alone = rows.iter().all(|row| run.deeds.iter().filter(|other| other.may_be(row)).count() == 1);
        let (true, [row]) = (alone, &rows[..]) else { continue };
        let shown = row.since_first.ok_or("no TIME(s)")?;
        check(shown >= 0.0, &format!("TIME(s) is negative: {}", row.line))?;
        from = from.max(by.began.boot_ns as f64 / 1e9 - shown - precision);
        // What waited for its row may be older than the first row: it then shows 0.
        if shown > 0.0 {
            to = to.min(by.returned.boot_ns as f64 / 1e9 - shown + precision);
        }
        check(from <= to, &format!("TIME(s) differs from the others' by {}: {}", from - to, row.line))?;
    }
    check(from > f64::MIN, "no row to judge TIME(s) by")
}
