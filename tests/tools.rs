//! The tools on the running kernel: what cases do is held to what every backend prints of it, field by field. One
//! program for all tools, so that a machine boots once and carries it once.

mod accept;
#[allow(dead_code)] // of what faults need
mod common;
mod connect;
mod life;
mod rtt;

use std::process::ExitCode;

use common::harness;
use common::harness::Tested;
use common::harness::tested;
use common::harness::tested_by_counts;

/// A tool more is a line more.
const SUBJECTS: &[Tested] = &[
    tested::<connect::compare::TcpConnect>(),
    tested::<accept::expected::TcpAccept>(),
    tested::<life::expected::TcpLife>(),
    tested_by_counts::<rtt::TcpRtt>(),
];

fn main() -> ExitCode {
    harness::main(SUBJECTS)
}
