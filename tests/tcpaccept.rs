//! `bpftools tcpaccept` on the running kernel: connections accepted in every way there is, held to
//! what every backend prints of them.

mod accept;
#[allow(dead_code)] // no tool needs all of it
mod common;

use std::process::ExitCode;

use accept::expected;
use accept::expected::TcpAccept;
use accept::filters;
use accept::totals;
use common::harness;

fn main() -> ExitCode {
    harness::main::<TcpAccept>(expected::trial(), |backend| {
        filters::trials(backend).into_iter().chain(totals::trials(backend)).collect()
    })
}
