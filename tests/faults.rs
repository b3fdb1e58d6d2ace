//! Faults, and what must hold through each: the account of a run adds up, and nothing stays behind.
//!
//! As a test it plays each fault in a short form, for each tool and backend that works here, also in the virtual
//! machines of tests/vm. `faults play FAULT TOOL BACKEND SIZE [OPTION...]` plays one as large as you like, with
//! more options for the tool; `make reliability` has them all, and docs/reliability.md the figures.

#[allow(dead_code)] // of what the tools' own tests use
mod common;
mod fault;
#[allow(dead_code)] // of what the benchmark uses
#[path = "../benches/overhead/load.rs"]
mod load;
#[allow(dead_code)]
#[path = "../benches/overhead/process.rs"]
mod process;

use std::env;
use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = env::args().skip(1).collect::<Vec<_>>();
    match arguments.first().map(String::as_str) {
        Some(fault::attempts::ARGUMENT) => fault::attempts::make(&arguments[1..]),
        Some("play") => fault::play(&arguments[1..]),
        _ => {
            let mut arguments = Arguments::from_args();
            arguments.test_threads = Some(1); // each wants the machine for itself
            libtest_mimic::run(&arguments, fault::trials()).exit_code()
        }
    }
}
