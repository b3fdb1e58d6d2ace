//! What tcpconnect's filters let through.

use std::net::SocketAddr;
use std::ops::RangeInclusive;

use anyhow::Result;
use libtest_mimic::Trial;
use nix::errno::Errno;

use super::answers::accepted;
use super::answers::refused;
use super::at_once::not_sent;
use super::cases::CASES as ALL;
use super::cases::LOADS;
use super::compare::TcpConnect;
use crate::common::backend::Backend;
use crate::common::filtering;
use crate::common::filtering::Filter;
use crate::common::mode;
use crate::common::mode::Format;
use crate::common::mode::Mode;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::network::NO_ROUTE_V4;
use crate::common::scenario::network::NO_ROUTE_V6;
use crate::common::scenario::ports;
use crate::common::scenario::process::become_other_user;
use crate::common::scenario::socket::Ip;
use crate::common::subject::Subject;

/// Attempts that differ in everything that filters look at.
const CASES: &[&str] =
    &["accepted-v4", "accepted-v6", "refused-v4", "refused-v6", "accepted-mapped", "other-user", "other-thread"];

fn port(case: &str) -> u16 {
    ports::first(ALL, LOADS, case)
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
            let list = format!("1,{},65535", port("refused-v6"));
            vec!["-P".into(), list, format!("--port={}", port("accepted-v4"))]
        },
        lets_through: |a| ["refused-v6", "accepted-v4"].contains(&a.by.case.as_str()),
    },
    Filter {
        name: "port-range",
        args: |_| vec!["-P".into(), format!("{}-{}", port("accepted-v4"), port("accepted-mapped"))],
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
];

pub const WANTED: &str = "wanted";
pub const OTHER_PROCESS: &str = "other-process";
pub const OTHER_USER: &str = "wanted-but-its-user";
pub const PENDING: &str = "wanted-pending";
pub const OTHER_PENDING: &str = "other-process-pending";

/// An attempt of each kind that makes its row in another way, by each IP version, to ports that are wanted; and the same
/// to ports that are not.
pub fn every_kind(actor: &Actor) -> Result<()> {
    for _ in 0..2 {
        for (ip, nowhere) in [(Ip::V4, NO_ROUTE_V4.into()), (Ip::V6, NO_ROUTE_V6.into())] {
            accepted(actor, ip)?;
            refused(actor, ip)?;
            not_sent(actor, ip, SocketAddr::new(nowhere, actor.port()), Errno::ENETUNREACH)?;
        }
    }
    Ok(())
}

pub fn every_kind_by_other_user(actor: &Actor) -> Result<()> {
    become_other_user()?;
    every_kind(actor)
}

const KINDS: [&str; 5] = [WANTED, OTHER_PROCESS, OTHER_USER, PENDING, OTHER_PENDING];

fn wanted_ports(case: &str) -> RangeInclusive<u16> {
    port(case)..=port(case) + 5
}

/// Of every kind of attempt, one meets each of these conditions alone not.
const TOGETHER: Filter<TcpConnect> = Filter {
    name: "together",
    args: |s| {
        let pids = [WANTED, OTHER_USER, PENDING].map(|case| s.pid(case).to_string()).join(",");
        let ports = KINDS.map(wanted_ports).map(|ports| format!("{}-{}", ports.start(), ports.end())).join(",");
        ["-4", "-u", "0", "-p", &pids, "-P", &ports].map(str::to_owned).to_vec()
    },
    lets_through: |a| {
        let wanted = [WANTED, PENDING].contains(&a.by.case.as_str());
        wanted && a.ip == 4 && a.by.uid == 0 && a.dport.is_some_and(|port| wanted_ports(&a.by.case).contains(&port))
    },
};

/// In JSON, which says how many are pending.
const LPORT: Mode = mode::mode("lport", &["--json", "-L"], Format::Json);

pub fn trials(backend: Backend) -> Vec<Trial> {
    let modes = TcpConnect::modes().into_iter().chain([&LPORT]).collect();
    let mut trials = filtering::trials(backend, CASES, FILTERS);
    trials.extend(filtering::trials_in(modes, backend, &KINDS, &TOGETHER));
    trials
}
