//! `bpftools tcprtt` on the running kernel: what it counts, held to what the kernel says of the tests' own sockets.

#[allow(dead_code)] // what rows need
mod common;
mod rtt;

use std::process::ExitCode;

use libtest_mimic::Arguments;
use libtest_mimic::Completion;
use libtest_mimic::Trial;

use common::binary;
use common::machine;
use common::refusals;

const TOOL: &str = "tcprtt";

fn main() -> ExitCode {
    println!("{}", binary::description());
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let mut trials = Vec::new();
    if machine::is_usable() {
        let candidates = machine::candidates(TOOL).expect("the tool can be run");
        trials.extend(refusals::trials(TOOL, &candidates));
        for candidate in candidates {
            match candidate.skipped {
                Some(why) => trials.push(skipped(candidate.backend.name(), why)),
                None => trials.extend(rtt::trials(candidate.backend)),
            }
        }
    } else {
        trials.push(skipped(TOOL, "root is needed".to_owned()));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn skipped(name: &str, why: String) -> Trial {
    Trial::ignorable_test(name, move || Ok(Completion::ignored_with(format!("skipped: {why}"))))
}
