//! The test program of a tool. Needs root; runs as it is in the virtual machines of tests/vm:
//!
//! - BPFTOOLS: the binary to test, if not the one that cargo built.
//! - BPFTOOLS_EXPECT: the backends that must work here, separated by commas; without it, those that
//!   do work are tested, and tracepoint always is.
//! - BPFTOOLS_MACHINE: the virtual machine's name, which says how odd it is.

use std::process::ExitCode;

use libtest_mimic::Arguments;
use libtest_mimic::Completion;
use libtest_mimic::Trial;

use super::backend::Backend;
use super::binary;
use super::machine;
use super::matrix;
use super::privileges;
use super::refusals;
use super::repeat;
use super::scenario::play;
use super::subject::Subject;
use super::surroundings;

/// `table` is the trial of the tool's table of differences; `more` are its own trials of a backend that
/// works, besides the matrix.
pub fn main<S: Subject>(table: Trial, more: impl Fn(Backend) -> Vec<Trial>) -> ExitCode {
    if let Some(code) = play::main(S::CASES, S::LOADS) {
        return code;
    }
    if let Some(code) = privileges::inside::main() {
        return code;
    }
    println!("{}", binary::description());
    let mut arguments = Arguments::from_args();
    // Runs beside each other would make each other's rows late, and the machine's noise theirs.
    arguments.test_threads = Some(1);
    let mut trials = vec![table];
    trials.extend(trials_here::<S>(more));
    let conclusion = libtest_mimic::run(&arguments, trials);
    println!("runs repeated: {}", repeat::count());
    conclusion.exit_code()
}

fn trials_here<S: Subject>(more: impl Fn(Backend) -> Vec<Trial>) -> Vec<Trial> {
    if !machine::is_usable() {
        return vec![skipped(S::TOOL, "root is needed".to_owned())];
    }
    let candidates = match machine::candidates(S::TOOL) {
        Ok(candidates) => candidates,
        Err(error) => return vec![Trial::test("backends", move || Err(format!("{error:#}").into()))],
    };
    let mut trials = refusals::trials(S::TOOL, &candidates);
    trials.extend(privileges::trials());
    for candidate in candidates {
        match candidate.skipped {
            Some(why) => trials.push(skipped(candidate.backend.name(), why)),
            None => {
                trials.extend(matrix::trials::<S>(candidate.backend));
                trials.extend(privileges::trials_of::<S>(candidate.backend));
                trials.extend(surroundings::trials(S::TOOL, candidate.backend));
                trials.extend(more(candidate.backend));
            }
        }
    }
    trials
}

fn skipped(name: &str, why: String) -> Trial {
    Trial::ignorable_test(name, move || Ok(Completion::ignored_with(format!("skipped: {why}"))))
}
