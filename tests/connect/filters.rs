//! What tcpconnect's filters let through.

use libtest_mimic::Trial;

use super::cases::CASES as ALL;
use super::compare::TcpConnect;
use crate::common::backend::Backend;
use crate::common::filtering;
use crate::common::filtering::Filter;
use crate::common::scenario::case::first_port;

/// Attempts that differ in everything that filters look at.
const CASES: &[&str] =
    &["accepted-v4", "accepted-v6", "refused-v4", "refused-v6", "accepted-mapped", "other-user", "other-thread"];

fn ports(case: &str) -> u16 {
    first_port(ALL, case)
}

const FILTERS: &[Filter<TcpConnect>] = &[
    Filter {
        name: "pid-list",
        args: |s| {
            let pids = format!("{},{}", s.pid("accepted-v4"), s.pid("other-thread"));
            vec!["-p".into(), pids, format!("--pid={}", s.pid("refused-v6"))]
        },
        lets_through: |a| ["accepted-v4", "other-thread", "refused-v6"].contains(&a.by.case.as_str()),
    },
    Filter {
        name: "port-list",
        args: |_| {
            let list = format!("1,{},65535", ports("refused-v6"));
            vec!["-P".into(), list, format!("--port={}", ports("accepted-v4"))]
        },
        lets_through: |a| ["refused-v6", "accepted-v4"].contains(&a.by.case.as_str()),
    },
    Filter {
        name: "port-range",
        args: |_| vec!["-P".into(), format!("{}-{}", ports("accepted-v4"), ports("accepted-mapped"))],
        lets_through: |a| ["accepted-v4", "accepted-v6", "accepted-mapped"].contains(&a.by.case.as_str()),
    },
    Filter { name: "uid", args: |_| vec!["-u".into(), "65534".into()], lets_through: |a| a.by.case == "other-user" },
    Filter {
        name: "uid-name",
        args: |_| vec!["-u".into(), "root".into()],
        lets_through: |a| a.by.case != "other-user",
    },
    Filter { name: "ipv4", args: |_| vec!["-4".into()], lets_through: |a| a.ip == 4 },
    Filter { name: "ipv6", args: |_| vec!["-6".into()], lets_through: |a| a.ip == 6 },
    Filter {
        name: "all-together",
        args: |s| {
            let pids = format!("{},{}", s.pid("accepted-v4"), s.pid("accepted-v6"));
            let ports = format!("{}-65535", ports("accepted-v4"));
            ["-4", "-u", "0", "-p", &pids, "-P", &ports].map(str::to_owned).to_vec()
        },
        lets_through: |a| a.by.case == "accepted-v4" && a.by.uid == 0,
    },
];

pub fn trials(backend: Backend) -> Vec<Trial> {
    filtering::trials(backend, CASES, FILTERS)
}
