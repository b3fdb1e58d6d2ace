//! The list of faults, to be played in a short form as trials or one by one.

pub mod account;
pub mod attempts;
mod left;
mod load_faults;
mod output_faults;
mod run_faults;
mod soak;
mod traced;

use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use bpftools::tools;
use libtest_mimic::Completion;
use libtest_mimic::Trial;

use crate::common::backend::Backend;
use crate::common::machine;
use crate::common::machine::Candidate;

/// What is played: with which tool, which backend, how large, and with which options more.
pub struct Play {
    pub tool: String,
    pub backend: Backend,
    pub size: u64,
    pub options: Vec<String>,
    /// Prints how far it is, where it takes long.
    pub aloud: bool,
}

/// Returns its figures, or what does not hold.
type Fault = fn(&Play) -> Result<String>;

const FAULTS: &[(&str, Fault)] = &[
    ("stopped", load_faults::stopped),
    ("small-ring", load_faults::small_ring),
    ("small-map", load_faults::small_map),
    ("four-processes", load_faults::four_processes),
    ("cpu-offline", load_faults::cpu_offline),
    ("slow-pipe", output_faults::slow_pipe),
    ("full-pipe", output_faults::full_pipe),
    ("full-disk", output_faults::full_disk),
    ("kill", run_faults::kill),
    ("starts", run_faults::starts),
    ("copies", run_faults::copies),
    ("soak", soak::soak),
];

/// A fault in its short form: with which options, and how large.
struct Short {
    fault: &'static str,
    tool: &'static str,
    options: &'static [&'static str],
    size: u64,
    /// Where the CPU is emulated; 0 is not at all.
    size_emulated: u64,
}

const fn short(fault: &'static str, options: &'static [&'static str], size: u64, size_emulated: u64) -> Short {
    Short { fault, tool: "tcpconnect", options, size, size_emulated }
}

const SHORT: &[Short] = &[
    short("stopped", &[], 50_000, 0),
    short("stopped", &["--outcome"], 50_000, 0),
    short("stopped", &["--outcome", "--buffer-size", "64K"], 5_000, 3_000),
    Short { tool: "tcpaccept", ..short("stopped", &[], 50_000, 0) },
    short("small-ring", &[], 20_000, 0),
    short("small-ring", &["--outcome"], 20_000, 0),
    short("small-map", &["--outcome"], 6_400, 640),
    short("small-map", &["-x"], 6_400, 640),
    short("four-processes", &[], 40_000, 0),
    short("four-processes", &["--outcome"], 40_000, 4_000),
    Short { tool: "tcpaccept", ..short("four-processes", &[], 40_000, 0) },
    short("slow-pipe", &[], 50_000, 0),
    short("full-pipe", &[], 50_000, 0),
    short("full-disk", &[], 20_000, 0),
    short("kill", &["--outcome"], 5, 1),
    short("starts", &["--outcome"], 10, 0),
    short("copies", &["--outcome"], 10, 0),
    short("soak", &[], 5, 0),
    Short { tool: "tcpaccept", ..short("soak", &[], 3, 0) },
];

/// `FAULT TOOL BACKEND SIZE [OPTION...]`: prints its figures, or what does not hold.
pub fn play(arguments: &[String]) -> ExitCode {
    let [fault, tool, backend, size, options @ ..] = arguments else {
        let names = FAULTS.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        eprintln!("faults play FAULT TOOL BACKEND SIZE [OPTION...]; a FAULT is one of {}", names.join(", "));
        return ExitCode::from(2);
    };
    let result = (|| {
        let fault = find(fault).context("no such fault")?;
        let backend = Backend::ALL.into_iter().find(|known| known.name() == backend).context("no such backend")?;
        let size = size.parse().context("SIZE is no number")?;
        fault(&Play { tool: tool.clone(), backend, size, options: options.to_vec(), aloud: true })
    })();
    let title = [&[fault.as_str(), tool, backend, size], &options.iter().map(String::as_str).collect::<Vec<_>>()[..]];
    let title = title.concat().join(" ");
    match result {
        Ok(figures) => {
            println!("{title}: {figures}: ok");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{title}: FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn find(name: &str) -> Option<Fault> {
    FAULTS.iter().find(|(known, _)| *known == name).map(|(_, fault)| *fault)
}

/// The short forms, by each backend that works here.
pub fn trials() -> Vec<Trial> {
    if !machine::is_usable() {
        return vec![skipped("faults".to_owned(), "root is needed".to_owned())];
    }
    let mut trials = Vec::new();
    for tool in tools::ALL.iter().map(|tool| tool.name) {
        let candidates = match machine::candidates(tool) {
            Ok(candidates) => candidates,
            Err(error) => return vec![Trial::test("backends", move || Err(format!("{error:#}").into()))],
        };
        for Candidate { backend, skipped: why } in candidates {
            match why {
                Some(why) => trials.push(skipped(format!("{}/faults/{tool}", backend.name()), why)),
                None => {
                    let of_tool = SHORT.iter().filter(|short| short.tool == tool);
                    trials.extend(of_tool.filter_map(|short| short.trial(backend)));
                }
            }
        }
    }
    trials
}

impl Short {
    fn trial(&self, backend: Backend) -> Option<Trial> {
        let size = if machine::name().is_empty() { self.size } else { self.size_emulated };
        let name = [&[self.tool], self.options].concat().join("_");
        let name = format!("{}/faults/{}/{name}", backend.name(), self.fault);
        let fault = find(self.fault).expect("it is in the list");
        let options = self.options.iter().map(|&option| option.to_owned()).collect();
        let play = Play { tool: self.tool.to_owned(), backend, size, options, aloud: false };
        let trial = Trial::test(name, move || match fault(&play) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error:#}").into()),
        });
        (size > 0).then_some(trial)
    }
}

fn skipped(name: String, why: String) -> Trial {
    Trial::ignorable_test(name, move || Ok(Completion::ignored_with(format!("skipped: {why}"))))
}
