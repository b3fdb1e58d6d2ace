//! What tcplife's own filters let through.

use libtest_mimic::Trial;

use super::cases::CASES as ALL;
use super::cases::LOADS;
use super::expected::TcpLife;
use crate::common::backend::Backend;
use crate::common::filtering;
use crate::common::filtering::Filter;
use crate::common::scenario::ports;
use crate::common::subject::Deed;
use crate::common::subject::Subject;

const CASES: &[&str] = &["client-first", "server-first"];

fn port() -> u16 {
    ports::first(ALL, LOADS, CASES[0])
}

/// The side that accepted.
fn local() -> Filter<TcpLife> {
    Filter {
        name: "local-port",
        args: |s| vec!["-L".into(), port().to_string(), format!("--pid={},{}", s.pid(CASES[0]), s.pid(CASES[1]))],
        lets_through: |ended| ended.local.is_some_and(|local| local.port() == port()),
    }
}

/// Both ports are asked for, of which the row of the other side has the first alone.
fn both() -> Filter<TcpLife> {
    Filter {
        name: "both-ports",
        args: |s| {
            let pids = format!("--pid={},{}", s.pid(CASES[0]), s.pid(CASES[1]));
            vec![format!("--remoteport={}", port()), "--localport=32768-65535".into(), pids]
        },
        lets_through: |ended| ended.port() == Some(port()),
    }
}

pub fn trials(backend: Backend) -> Vec<Trial> {
    let first = || vec![TcpLife::modes()[0]];
    let mut trials = filtering::trials_in(first(), backend, CASES, local);
    trials.extend(filtering::trials_in(first(), backend, CASES, both));
    trials
}
