//! The kernel-side filters: the same comparer, held to those attempts that the options let through.

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use libtest_mimic::Completion;
use libtest_mimic::Failed;
use libtest_mimic::Trial;

use super::attempt::Attempt;
use super::attempt::Verdict;
use super::compare;
use super::differences::Backend;
use super::matrix::setup;
use super::mode::Format;
use super::mode::MODES;
use super::run;
use super::run::Run;
use super::run::Scenario;
use super::scenario::ports;

/// Attempts that differ in everything that filters look at.
const CASES: &[&str] =
    &["accepted-v4", "accepted-v6", "refused-v4", "refused-v6", "accepted-mapped", "other-user", "other-thread"];

struct Filter {
    name: &'static str,
    args: fn(&Scenario) -> Vec<String>,
    lets_through: fn(&Attempt) -> bool,
}

const FILTERS: &[Filter] = &[
    Filter {
        name: "pid-list",
        args: |s| {
            let pids = format!("{},{}", s.pid("accepted-v4"), s.pid("other-thread"));
            vec!["-p".into(), pids, format!("--pid={}", s.pid("refused-v6"))]
        },
        lets_through: |a| ["accepted-v4", "other-thread", "refused-v6"].contains(&a.case.as_str()),
    },
    Filter {
        name: "port-list",
        args: |_| {
            let list = format!("1,{},65535", ports("refused-v6"));
            vec!["-P".into(), list, format!("--port={}", ports("accepted-v4"))]
        },
        lets_through: |a| ["refused-v6", "accepted-v4"].contains(&a.case.as_str()),
    },
    Filter {
        name: "port-range",
        args: |_| vec!["-P".into(), format!("{}-{}", ports("accepted-v4"), ports("accepted-mapped"))],
        lets_through: |a| ["accepted-v4", "accepted-v6", "accepted-mapped"].contains(&a.case.as_str()),
    },
    Filter { name: "uid", args: |_| vec!["-u".into(), "65534".into()], lets_through: |a| a.case == "other-user" },
    Filter { name: "uid-name", args: |_| vec!["-u".into(), "root".into()], lets_through: |a| a.case != "other-user" },
    Filter { name: "ipv4", args: |_| vec!["-4".into()], lets_through: |a| a.ip == 4 },
    Filter { name: "ipv6", args: |_| vec!["-6".into()], lets_through: |a| a.ip == 6 },
    Filter {
        name: "all-together",
        args: |s| {
            let pids = format!("{},{}", s.pid("accepted-v4"), s.pid("accepted-v6"));
            let ports = format!("{}-65535", ports("accepted-v4"));
            ["-4", "-u", "0", "-p", &pids, "-P", &ports].map(str::to_owned).to_vec()
        },
        lets_through: |a| a.case == "accepted-v4" && a.uid == 0,
    },
];

pub fn trials(backend: Backend) -> Vec<Trial> {
    let trial = |filter: &'static Filter| {
        let name = format!("{}/filters/{}", backend.name(), filter.name);
        Trial::ignorable_test(name, move || try_filter(backend, filter).map_err(failed))
    };
    FILTERS.iter().map(trial).collect()
}

fn failed(error: anyhow::Error) -> Failed {
    format!("{error:#}").into()
}

fn try_filter(backend: Backend, filter: &Filter) -> Result<Completion> {
    let mode = &MODES[0];
    let run = run::play(CASES, Format::Json, |scenario| {
        let mut args = vec!["tcpconnect".to_owned(), "--backend".to_owned(), backend.name().to_owned()];
        args.extend(mode.args.iter().map(|&arg| arg.to_owned()));
        args.extend((filter.args)(scenario));
        args
    })?;
    let attempts = played(&run)?.iter().filter(|attempt| (filter.lets_through)(attempt)).collect::<Vec<_>>();
    if attempts.is_empty() {
        return Ok(Completion::ignored_with("skipped: what it lets through cannot be played here"));
    }
    if attempts.len() == run.attempts.len() {
        return Ok(Completion::ignored_with("skipped: what it keeps back cannot be played here"));
    }
    let pids = run.pids.iter().map(|&(_, pid)| pid).collect::<Vec<_>>();
    let rows = run.rows.iter().filter(|row| pids.contains(&row.pid)).collect::<Vec<_>>();
    let wrong = compare::case(setup(backend, &run), mode, &attempts, &rows);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(Completion::Completed)
}

/// The attempts, if the scenario played the cases that this machine can play.
fn played(run: &Run) -> Result<&[Attempt]> {
    for case in CASES {
        let (_, verdict) = run.verdicts.iter().find(|(name, _)| name == case).with_context(|| *case)?;
        if let Verdict::Failed(why) = verdict {
            bail!("the scenario: {case}: {why}");
        }
    }
    Ok(&run.attempts)
}
