//! What tcpaccept's filters let through.

use std::ops::RangeInclusive;

use anyhow::Result;
use libtest_mimic::Trial;

use super::cases::CASES as ALL;
use super::cases::LOADS;
use super::doors::queued;
use super::expected::TcpAccept;
use crate::common::backend::Backend;
use crate::common::filtering;
use crate::common::filtering::Filter;
use crate::common::scenario::actor::Actor;
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

/// By each IP version, at ports that are wanted, and at ports that are not.
pub fn every_kind(actor: &Actor) -> Result<()> {
    for _ in 0..2 {
        queued(actor, Ip::V4)?;
        queued(actor, Ip::V6)?;
    }
    Ok(())
}

pub fn every_kind_by_other_user(actor: &Actor) -> Result<()> {
    become_other_user()?;
    every_kind(actor)
}

const KINDS: [&str; 3] = [WANTED, OTHER_PROCESS, OTHER_USER];

fn wanted_ports(case: &str) -> RangeInclusive<u16> {
    port(case)..=port(case) + 1
}

/// Of every kind of connection, one meets each of these conditions alone not.
fn together() -> Filter<TcpAccept> {
    Filter {
        name: "together",
        args: |s| {
            let pids = [WANTED, OTHER_USER].map(|case| s.pid(case).to_string()).join(",");
            let ports = KINDS.map(wanted_ports).map(|ports| format!("{}-{}", ports.start(), ports.end())).join(",");
            ["-4", "-u", "0", "-p", &pids, "-P", &ports].map(str::to_owned).to_vec()
        },
        lets_through: |a| {
            let wanted = a.by.case == WANTED && wanted_ports(WANTED).contains(&a.local.port());
            wanted && a.local.is_ipv4() && a.by.uid == 0
        },
    }
}

pub fn trials(backend: Backend) -> Vec<Trial> {
    filtering::trials_in(TcpAccept::modes(), backend, &KINDS, together)
}
