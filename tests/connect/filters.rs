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

fn port(case: &str) -> u16 {
    ports::first(ALL, LOADS, case)
}

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
fn together() -> Filter<TcpConnect> {
    Filter {
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
    }
}

/// In JSON, which says how many are pending.
const LPORT: Mode = mode::mode("lport", &["--json", "-L"], Format::Json);

pub fn trials(backend: Backend) -> Vec<Trial> {
    let modes = TcpConnect::modes().into_iter().chain([&LPORT]).collect();
    filtering::trials_in(modes, backend, &KINDS, together)
}
