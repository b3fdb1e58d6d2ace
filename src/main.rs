//! `bpftools`: the name it is called by, or the first argument, says which tool runs.

use std::process::ExitCode;

use bpftools::cli;
use bpftools::cli::Failure;

fn main() -> ExitCode {
    match cli::main(std::env::args_os()) {
        Ok(code) => code,
        Err(Failure { tool, error }) => {
            eprintln!("{tool}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
