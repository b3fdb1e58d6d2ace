//! `bpftools`: the name it is called by, or the first argument, says which tool runs.

#![deny(clippy::print_stdout, clippy::print_stderr)] // they panic where nothing can be written

use std::process::ExitCode;

use bpftools::cli;
use bpftools::cli::Failure;
use bpftools::say::say;

fn main() -> ExitCode {
    match cli::main(std::env::args_os()) {
        Ok(code) => code,
        Err(Failure { tool, error }) => {
            say(tool, format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
