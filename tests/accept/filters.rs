//! What tcpaccept's filters let through.

use libtest_mimic::Trial;

use super::cases::CASES as ALL;
use super::expected::TcpAccept;
use crate::common::backend::Backend;
use crate::common::filtering;
use crate::common::filtering::Filter;
use crate::common::scenario::case::first_port;

/// Connections that differ in everything that filters look at.
const CASES: &[&str] = &["queued-v4", "queued-v6", "queued-mapped", "accept", "other-user", "other-thread"];

fn ports(case: &str) -> u16 {
    first_port(ALL, case)
}

const FILTERS: &[Filter<TcpAccept>] = &[
    Filter {
        name: "pid-list",
        args: |s| {
            let pids = format!("{},{}", s.pid("queued-v4"), s.pid("other-thread"));
            vec!["-p".into(), pids, format!("--pid={}", s.pid("queued-v6"))]
        },
        lets_through: |a| ["queued-v4", "other-thread", "queued-v6"].contains(&a.by.case.as_str()),
    },
    Filter {
        name: "port-list",
        args: |_| {
            let list = format!("1,{},65535", ports("queued-v6"));
            vec!["-P".into(), list, format!("--port={}", ports("accept"))]
        },
        lets_through: |a| ["queued-v6", "accept"].contains(&a.by.case.as_str()),
    },
    Filter {
        name: "port-range",
        args: |_| vec!["-P".into(), format!("{}-{}", ports("queued-v4"), ports("queued-mapped"))],
        lets_through: |a| ["queued-v4", "queued-v6", "queued-mapped"].contains(&a.by.case.as_str()),
    },
    Filter { name: "uid", args: |_| vec!["-u".into(), "65534".into()], lets_through: |a| a.by.uid == 65534 },
    Filter { name: "ipv4", args: |_| vec!["-4".into()], lets_through: |a| a.local.is_ipv4() },
    Filter { name: "ipv6", args: |_| vec!["-6".into()], lets_through: |a| a.local.is_ipv6() },
    Filter {
        name: "all-together",
        args: |s| {
            let pids = format!("{},{}", s.pid("queued-v4"), s.pid("queued-v6"));
            let ports = format!("{}-65535", ports("queued-v4"));
            ["-4", "-u", "0", "-p", &pids, "-P", &ports].map(str::to_owned).to_vec()
        },
        lets_through: |a| a.by.case == "queued-v4" && a.by.uid == 0,
    },
];

pub fn trials(backend: Backend) -> Vec<Trial> {
    filtering::trials(backend, CASES, FILTERS)
}
