//! What tcplife's filters let through.

use libtest_mimic::Trial;

use super::cases::CASES as ALL;
use super::cases::LOADS;
use super::ended::Ended;
use super::expected::TcpLife;
use crate::common::backend::Backend;
use crate::common::filtering;
use crate::common::filtering::Filter;
use crate::common::scenario::ports;

/// Connections that differ in everything that filters look at.
const CASES: &[&str] = &["client-first", "client-first-v6", "mapped", "server-first", "other-user", "peer-resets"];

fn port(case: &str) -> u16 {
    ports::first(ALL, LOADS, case)
}

fn is_of(ended: &Ended, cases: &[&str]) -> bool {
    cases.contains(&ended.by.case.as_str())
}

const FILTERS: &[Filter<TcpLife>] = &[
    Filter {
        name: "pid-list",
        args: |s| vec!["-p".into(), format!("{},{}", s.pid("mapped"), s.pid("peer-resets"))],
        lets_through: |e| is_of(e, &["mapped", "peer-resets"]),
    },
    Filter {
        name: "remote-port-list",
        args: |_| vec!["-D".into(), format!("1,{},{}", port("client-first-v6"), port("server-first"))],
        lets_through: |e| {
            is_of(e, &["client-first-v6", "server-first"])
                && [port("client-first-v6"), port("server-first")].contains(&e.remote.port())
        },
    },
    Filter { name: "uid", args: |_| vec!["-u".into(), "65534".into()], lets_through: |e| is_of(e, &["other-user"]) },
    Filter { name: "ipv4", args: |_| vec!["-4".into()], lets_through: |e| e.remote.is_ipv4() },
    Filter { name: "ipv6", args: |_| vec!["-6".into()], lets_through: |e| e.remote.is_ipv6() },
];

pub fn trials(backend: Backend) -> Vec<Trial> {
    filtering::trials(backend, CASES, FILTERS)
}
