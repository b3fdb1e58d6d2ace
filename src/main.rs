//! `bpftools`: the name it is called by, or the first argument, says which tool runs.

#![deny(clippy::print_stdout, clippy::print_stderr)] // they panic where nothing can be written

use std::io;
use std::io::Write;
use std::process::ExitCode;

use bpftools::cli;
use bpftools::cli::Failure;
use bpftools::output::say::say;
use bpftools::privileges;

fn main() -> ExitCode {
    if let Err(error) = privileges::begin() {
        // Not by `say`, which opens a terminal once more: with rights that are not the caller's.
        let _ = writeln!(io::stderr(), "{}: {error:#}", cli::NAME);
        return ExitCode::FAILURE;
    }
    match cli::main(std::env::args_os()) {
        Ok(code) => code,
        Err(Failure { tool, error }) => {
            say(tool, format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
