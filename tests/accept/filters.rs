//! What tcpaccept's filters let through.

use std::ops::RangeInclusive;

use anyhow::Result;
use libtest_mimic::Trial;

use super::accepted::Accepted;
use super::cases::CASES as ALL;
use super::cases::LOADS;
use super::doors::queued;
use super::expected::TcpAccept;
use crate::common::backend::Backend;
use crate::common::cgroup;
use crate::common::filtering;
use crate::common::filtering::AllFilters;
use crate::common::filtering::Filter;
use crate::common::machine;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::network;
use crate::common::scenario::ports;
use crate::common::scenario::process::become_other_user;
use crate::common::scenario::process::set_name;
use crate::common::scenario::socket::Ip;
use crate::common::subject::Subject;

fn port(case: &str) -> u16 {
    ports::first(ALL, LOADS, case)
}

pub const WANTED: &str = "wanted";
pub const OTHER_PROCESS: &str = "other-process";
pub const OTHER_USER: &str = "wanted-but-its-user";
pub const OTHER_NAME: &str = "wanted-but-its-name";
pub const OTHER_CGROUP: &str = "wanted-but-its-cgroup";
pub const OTHER_NETNS: &str = "wanted-but-its-netns";

/// By each IP version, at ports that are wanted, and at ports that are not.
pub fn every_kind(actor: &Actor) -> Result<()> {
    queued(actor, Ip::V4)?; // at the port that is left out
    for _ in 0..2 {
        queued(actor, Ip::V4)?;
        queued(actor, Ip::V6)?;
    }
    Ok(())
}

pub fn every_kind_by_other_name(actor: &Actor) -> Result<()> {
    set_name(b"another-name")?;
    every_kind(actor)
}

pub fn every_kind_in_other_netns(actor: &Actor) -> Result<()> {
    network::enter_new()?;
    every_kind(actor)
}

pub fn every_kind_by_other_user(actor: &Actor) -> Result<()> {
    become_other_user()?;
    every_kind(actor)
}

const KINDS: [&str; 6] = [WANTED, OTHER_PROCESS, OTHER_USER, OTHER_NAME, OTHER_CGROUP, OTHER_NETNS];

fn wanted_ports(case: &str) -> RangeInclusive<u16> {
    port(case)..=port(case) + 2
}

fn not_wanted_port(case: &str) -> u16 {
    port(case)
}

/// Of every kind of connection, one meets each of these conditions alone not.
fn together() -> Filter<TcpAccept> {
    Filter {
        name: "together",
        args: |s| {
            let filters = AllFilters {
                wanted: &[WANTED],
                other_user: OTHER_USER,
                other_name: OTHER_NAME,
                other_cgroup: OTHER_CGROUP,
                other_netns: OTHER_NETNS,
                ports: KINDS.map(wanted_ports).map(|ports| format!("{}-{}", ports.start(), ports.end())).join(","),
                not_ports: KINDS.map(|case| not_wanted_port(case).to_string()).join(","),
            };
            [filters.args(s), ["--raddr", "127.0.0.0/31"].map(str::to_owned).to_vec()].concat()
        },
        lets_through: is_wanted,
    }
}

fn is_wanted(a: &Accepted) -> bool {
    let case = a.by.case.as_str();
    let who = case == WANTED
        || (case == OTHER_CGROUP && cgroup::mount().is_none())
        || (case == OTHER_NETNS && !machine::has_btf());
    let port = wanted_ports(case).contains(&a.local.port()) && a.local.port() != not_wanted_port(case);
    who && a.local.is_ipv4() && port
}

pub fn trials(backend: Backend) -> Vec<Trial> {
    filtering::trials_in(TcpAccept::modes(), backend, &KINDS, together)
}
