//! `bpftools tcpconnect` on the running kernel: real attempts to connect, of every kind and end,
//! held to what every backend prints of them.

#[allow(dead_code)] // no tool needs all of it
mod common;
mod connect;

use std::process::ExitCode;

use common::harness;
use connect::compare::TcpConnect;
use connect::counting;
use connect::differences;
use connect::endings;
use connect::filters;
use connect::output;
use connect::under_load;

fn main() -> ExitCode {
    harness::main::<TcpConnect>(differences::trial(), |backend| {
        let trials = [filters::trials, endings::trials, output::trials, counting::trials, under_load::trials];
        trials.into_iter().flat_map(|trials| trials(backend)).collect()
    })
}
