//! The test program of all tools. Needs root; runs as it is in the virtual machines of tests/vm:
//!
//! - BPFTOOLS: the binary to test, if not the one that cargo built.
//! - BPFTOOLS_EXPECT: the backends that must work here, separated by commas; without it, those that
//!   do work are tested, and tracepoint always is.
//! - BPFTOOLS_MACHINE: the virtual machine's name, which says how odd it is.
//! - BPFTOOLS_PART: which part of the tests it plays.
//!
//! A trial's name begins with its tool and its backend: `tcpconnect/fentry/default/accepted-v4`.

use std::collections::BTreeSet;
use std::env;
use std::process::ExitCode;

use bpftools::tools;
use libtest_mimic::Arguments;
use libtest_mimic::Completion;
use libtest_mimic::Trial;

use super::allowed;
use super::backend::Backend;
use super::binary;
use super::counting;
use super::endings;
use super::every_case;
use super::filtering;
use super::machine;
use super::part;
use super::part::Part;
use super::privileges;
use super::refusals;
use super::repeat;
use super::scenario::play;
use super::subject::Subject;
use super::surroundings;

/// A tool's subject, as far as one sees without its types.
pub struct Tested {
    tool: &'static str,
    play: fn() -> ExitCode,
    table: fn() -> Trial,
    trials: fn() -> Vec<Trial>,
}

pub const fn tested<S: Subject>() -> Tested {
    Tested {
        tool: S::TOOL,
        play: || play::main(S::CASES, S::LOADS),
        table: || allowed::trial(S::TOOL, S::ask_for_differences),
        trials: trials_here::<S>,
    }
}

/// A tool whose programs count, and send no rows: its own trials, beside what is asked of every tool.
pub trait Counting {
    const TOOL: &'static str;

    fn ask_for_differences();

    fn trials(backend: Backend) -> Vec<Trial>;
}

pub const fn tested_by_counts<C: Counting>() -> Tested {
    Tested {
        tool: C::TOOL,
        play: || unreachable!("it has no cases that other processes play"),
        table: || allowed::trial(C::TOOL, C::ask_for_differences),
        trials: || trials_of(C::TOOL, |backend| Part::here().of("", backend as usize, C::trials(backend))),
    }
}

pub fn main(subjects: &'static [Tested]) -> ExitCode {
    if let Ok(tool) = env::var(play::TOOL) {
        return (subjects.iter().find(|subject| subject.tool == tool).expect("a tool that is tested").play)();
    }
    if let Some(code) = privileges::inside::main() {
        return code;
    }
    println!("{}", binary::description());
    let mut arguments = Arguments::from_args();
    // Runs beside each other would make each other's rows late, and the machine's noise theirs.
    arguments.test_threads = Some(1);
    let mut trials = vec![every_tool_is_tested(subjects)];
    trials.extend(subjects.iter().map(|subject| (subject.table)()));
    if machine::is_usable() {
        trials.extend(Part::here().of(part::PRIVILEGES, 0, privileges::trials()));
        trials.extend(subjects.iter().flat_map(|subject| (subject.trials)()));
    } else {
        trials.push(skipped("every tool".to_owned(), "root is needed".to_owned()));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    println!("runs repeated: {}", repeat::count());
    conclusion.exit_code()
}

fn every_tool_is_tested(subjects: &'static [Tested]) -> Trial {
    Trial::test("registry", move || {
        let tested = subjects.iter().map(|subject| subject.tool).collect::<BTreeSet<_>>();
        let registered = tools::ALL.iter().map(|tool| tool.name).collect::<BTreeSet<_>>();
        match tested == registered {
            true => Ok(()),
            false => Err(format!("tested are {tested:?}, there are {registered:?}").into()),
        }
    })
}

fn trials_here<S: Subject>() -> Vec<Trial> {
    trials_of(S::TOOL, |backend| {
        let (part, turn) = (Part::here(), backend as usize);
        let mut trials = every_case::trials::<S>(backend);
        trials.extend(part.of(part::PRIVILEGES, turn, privileges::trials_of::<S>(backend)));
        trials.extend(part.of(part::SURROUNDINGS, turn, surroundings::trials::<S>(backend)));
        trials.extend(part.of(part::LOAD, turn, S::trials_under_load(backend)));
        let mut shared = endings::trials::<S>(backend);
        shared.extend(counting::trials::<S>(backend));
        shared.extend(filtering::trials::<S>(backend));
        shared.extend(S::trials(backend));
        trials.extend(part.of("", turn, shared));
        trials
    })
}

/// Those of each backend that works, and what the others say.
fn trials_of(tool: &'static str, of_backend: impl Fn(Backend) -> Vec<Trial>) -> Vec<Trial> {
    let candidates = match machine::candidates(tool) {
        Ok(candidates) => candidates,
        Err(error) => {
            return vec![Trial::test(format!("{tool}/backends"), move || Err(format!("{error:#}").into()))];
        }
    };
    let mut trials = refusals::trials(tool, &candidates);
    for candidate in candidates {
        match candidate.skipped {
            Some(why) => trials.push(skipped(format!("{tool}/{}", candidate.backend.name()), why)),
            None => trials.extend(of_backend(candidate.backend)),
        }
    }
    trials
}

fn skipped(name: String, why: String) -> Trial {
    Trial::ignorable_test(name, move || Ok(Completion::ignored_with(format!("skipped: {why}"))))
}
