//! Every case, in every mode, by every backend: a trial each. The modes of one backend are runs side by side, over
//! one play of the cases, made when the first of them is asked for.

use std::sync::Arc;
use std::sync::OnceLock;

use libtest_mimic::Completion;
use libtest_mimic::Failed;
use libtest_mimic::Trial;

use super::backend::Backend;
use super::judge;
use super::machine;
use super::message::Verdict;
use super::mode::Format;
use super::mode::Mode;
use super::part;
use super::part::Part;
use super::repeat;
use super::row::Row;
use super::run;
use super::run::Run;
use super::setup::Setup;
use super::subject::Deed;
use super::subject::Subject;
use super::totals;

pub fn trials<S: Subject>(backend: Backend) -> Vec<Trial> {
    let modes = modes::<S>();
    let together = Arc::new(Together::<S> { backend, modes: modes.clone(), runs: OnceLock::new() });
    let trials = |(number, mode)| mode_trials(Arc::clone(&together), number, mode);
    modes.into_iter().enumerate().flat_map(trials).collect()
}

/// Those that this machine plays.
pub fn modes<S: Subject>() -> Vec<&'static Mode> {
    let all = S::modes();
    match &all[..] {
        [first, .., last] if !Part::here().has(part::MODES) => vec![first, last],
        _ => all,
    }
}

fn mode_trials<S: Subject>(together: Arc<Together<S>>, number: usize, mode: &'static Mode) -> Vec<Trial> {
    let backend = together.backend;
    let name = |case: &str| format!("{}/{}/{}/{case}", S::TOOL, backend.name(), mode.name);
    let run = Arc::new(Shared::<S> { together, number, mode, again: Default::default() });
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

type Played<S> = Result<Run<<S as Subject>::Deed>, String>;

/// The first runs of a backend, one in each mode.
struct Together<S: Subject> {
    backend: Backend,
    modes: Vec<&'static Mode>,
    runs: OnceLock<Result<Vec<Played<S>>, String>>,
}

impl<S: Subject> Together<S> {
    fn play(&self, modes: &[&'static Mode]) -> Result<Vec<Played<S>>, String> {
        let cases = S::CASES.iter().map(|case| case.name).collect::<Vec<_>>();
        let args = |mode: &&Mode| {
            let args = [S::TOOL, "--backend", self.backend.name()];
            (mode.format, args.iter().chain(mode.args).map(|&arg| arg.to_owned()).collect())
        };
        let runs = run::play_together(&cases, |_| modes.iter().map(args).collect());
        let told = |error| format!("{error:#}");
        runs.map(|runs| runs.into_iter().map(|run| run.map_err(told)).collect()).map_err(told)
    }
}

/// The runs of one backend in one mode: one, as a rule.
struct Shared<S: Subject> {
    together: Arc<Together<S>>,
    number: usize,
    mode: &'static Mode,
    again: [OnceLock<Played<S>>; repeat::RUNS - 1],
}

impl<S: Subject> Shared<S> {
    fn run(&self, number: usize) -> Result<&Run<S::Deed>, Failed> {
        let together = &self.together;
        let run = match number.checked_sub(1) {
            None => &together.runs.get_or_init(|| together.play(&together.modes)).as_ref()?[self.number],
            Some(again) => self.again[again].get_or_init(|| together.play(&[self.mode])?.pop().expect("one run")),
        };
        run.as_ref().map_err(Failed::from)
    }

    fn setup(&self, run: &Run<S::Deed>) -> Setup {
        Setup::here(self.together.backend, &run.backend_line)
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
            if self.again[number - 1].get().is_none() {
                let backend = self.together.backend.name();
                repeat::tell(&format!("{}/{backend}/{}", S::TOOL, self.mode.name), told);
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
            false => Err(format!("{}\n{}", some_of(&wrong), circumstances(run, &rows, &wrong)).into()),
        }
    }

    /// Rows, losses and what is pending add up, and the clocks of the whole run agree.
    fn totals(&self) -> Result<(), Failed> {
        self.judge(|run| {
            let made = run.deeds.iter().filter(|deed| deed.is_pending()).count() as u64;
            totals::add_up::<S>(self.setup(run), self.mode, run, made, machine::is_ours_alone())?;
            if self.mode.format == Format::Text && run.rows.iter().any(|row| row.has("elapsed_ns")) {
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

/// What one wants to know of a failure on a machine that is gone: the case's other rows, and how the run ended.
fn circumstances<D: Deed>(run: &Run<D>, rows: &[&Row], wrong: &[String]) -> String {
    let others = rows.iter().filter(|row| !wrong.iter().any(|wrong| wrong.contains(&row.line)));
    let others = others.map(|row| format!("  also {}\n", row.line)).collect::<Vec<_>>().concat();
    let (losses, said) = (run.losses.last(), run.output.stderr.join("\n  "));
    format!("{others}  in a run that ended with {losses:?}, and said\n  {said}")
}

fn of_case<'a, D: Deed>(run: &'a Run<D>, name: &str) -> (Vec<&'a D>, Vec<&'a Row>) {
    let deeds = run.deeds.iter().filter(|deed| deed.by().case == name).collect::<Vec<_>>();
    let pids = run.pids.iter().filter(|(case, _)| case == name).map(|&(_, pid)| pid).collect::<Vec<_>>();
    let is_of_it =
        |row: &&Row| row.pid().is_some_and(|pid| pids.contains(&pid)) || deeds.iter().any(|deed| deed.may_be(row));
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
        let shown = row.number::<u64>("elapsed_ns").ok_or("no TIME(s)")? as f64 / 1e9;
        from = from.max(by.began.boot_ns as f64 / 1e9 - shown - precision);
        // What waited for its row may be older than the first row: it then shows 0.
        if shown > 0.0 {
            to = to.min(by.returned.boot_ns as f64 / 1e9 - shown + precision);
        }
        check(from <= to, &format!("TIME(s) differs from the others' by {}: {}", from - to, row.line))?;
    }
    check(from > f64::MIN, "no row to judge TIME(s) by")
}
