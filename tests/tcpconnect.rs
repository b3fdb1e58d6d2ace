//! `bpftools tcpconnect` on the running kernel: real attempts to connect, of every kind and end,
//! held to what every backend prints of them. Needs root; runs as it is in the virtual machines of
//! tests/vm:
//!
//! - BPFTOOLS: the tool to test, if not the one that cargo built.
//! - BPFTOOLS_EXPECT: the backends that must work here, separated by commas; without it, those that
//!   do work are tested, and tracepoint always is.
//! - BPFTOOLS_MACHINE: the virtual machine's name, which says how odd it is.

mod common;

use std::process::ExitCode;

use libtest_mimic::Arguments;
use libtest_mimic::Completion;
use libtest_mimic::Trial;

use common::differences;
use common::endings;
use common::filters;
use common::machine;
use common::matrix;
use common::refusals;
use common::scenario;

fn main() -> ExitCode {
    if let Some(code) = scenario::main() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // Runs beside each other would make each other's rows late, and the machine's noise theirs.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials()).exit_code()
}

fn trials() -> Vec<Trial> {
    let mut trials = vec![differences::trial()];
    if !machine::is_usable() {
        trials.push(skipped("tcpconnect", "root is needed".to_owned()));
        return trials;
    }
    let candidates = match machine::candidates() {
        Ok(candidates) => candidates,
        Err(error) => return vec![Trial::test("backends", move || Err(format!("{error:#}").into()))],
    };
    trials.extend(refusals::trials(&candidates));
    for candidate in candidates {
        match candidate.skipped {
            Some(why) => trials.push(skipped(candidate.backend.name(), why)),
            None => {
                trials.extend(matrix::trials(candidate.backend));
                trials.extend(filters::trials(candidate.backend));
                trials.extend(endings::trials(candidate.backend));
            }
        }
    }
    trials
}

fn skipped(name: &str, why: String) -> Trial {
    Trial::ignorable_test(name, move || Ok(Completion::ignored_with(format!("skipped: {why}"))))
}
