//! `bpftools tcpconnect` on the running kernel: real attempts to connect, of every kind and end,
//! held to what every backend prints of them.

mod common;

use std::process::ExitCode;

use common::compare::TcpConnect;
use common::differences;
use common::endings;
use common::filters;
use common::harness;
use common::scenario;
use common::under_load;

fn main() -> ExitCode {
    harness::main::<TcpConnect>(scenario::LOADS, differences::trial(), |backend| {
        [filters::trials(backend), endings::trials(backend), under_load::trials(backend)]
            .into_iter()
            .flatten()
            .collect()
    })
}
