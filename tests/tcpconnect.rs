//! `bpftools tcpconnect` on the running kernel: real attempts to connect, of every kind and end,
//! held to what every backend prints of them.

#[allow(dead_code)] // no tool needs all of it
mod common;
mod connect;

use std::process::ExitCode;

use common::harness;
use connect::compare::TcpConnect;
use connect::differences;
use connect::endings;
use connect::filters;
use connect::output;
use connect::under_load;

fn main() -> ExitCode {
    harness::main::<TcpConnect>(differences::trial(), |backend| {
        [filters::trials(backend), endings::trials(backend), output::trials(backend), under_load::trials(backend)]
            .into_iter()
            .flatten()
            .collect()
    })
}
