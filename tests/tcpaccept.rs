//! `bpftools tcpaccept` on the running kernel: connections accepted in every way there is, held to
//! what every backend prints of them.

#[allow(dead_code)] // the rest is for tcpconnect's cases
mod common {
    pub mod allowed;
    pub mod backend;
    pub mod cgroup;
    pub mod doer;
    pub mod filtering;
    pub mod harness;
    pub mod judge;
    pub mod machine;
    pub mod matrix;
    pub mod message;
    pub mod mode;
    pub mod refusals;
    pub mod row;
    pub mod run;
    pub mod setup;
    pub mod subject;
    pub mod tool;

    pub mod scenario {
        pub mod actor;
        pub mod bpf;
        pub mod busy;
        pub mod case;
        pub mod clock;
        pub mod compat;
        pub mod network;
        pub mod play;
        pub mod process;
        pub mod socket;
        pub mod wait;
    }
}

mod accept;

use std::process::ExitCode;

use accept::cases::LOADS;
use accept::expected;
use accept::expected::TcpAccept;
use accept::filters;
use accept::totals;
use common::harness;

fn main() -> ExitCode {
    harness::main::<TcpAccept>(LOADS, expected::trial(), |backend| {
        filters::trials(backend).into_iter().chain(totals::trials(backend)).collect()
    })
}
