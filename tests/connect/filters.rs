//! What tcpconnect's filters let through.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use anyhow::Result;
use libtest_mimic::Trial;
use nix::errno::Errno;

use super::answers::accepted;
use super::answers::refused;
use super::at_once::not_sent;
use super::attempt::Attempt;
use super::cases::CASES as ALL;
use super::cases::LOADS;
use super::compare::TcpConnect;
use crate::common::backend::Backend;
use crate::common::cgroup;
use crate::common::filtering;
use crate::common::filtering::AllFilters;
use crate::common::filtering::Filter;
use crate::common::machine;
use crate::common::mode;
use crate::common::mode::Format;
use crate::common::mode::Mode;
use crate::common::scenario::actor::Actor;
use crate::common::scenario::network;
use crate::common::scenario::network::NO_ROUTE_V4;
use crate::common::scenario::network::NO_ROUTE_V6;
use crate::common::scenario::ports;
use crate::common::scenario::process::become_other_user;
use crate::common::scenario::process::set_name;
use crate::common::scenario::socket::Ip;
use crate::common::scenario::socket::Socket;
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
pub const PENDING: &str = "wanted-pending";
pub const OTHER_PENDING: &str = "other-process-pending";

/// An attempt of each kind that makes its row in another way, by each IP version, to ports that are wanted; and the same
/// to ports that are not.
pub fn every_kind(actor: &Actor) -> Result<()> {
    let to_other_address = || {
        let socket = Socket::tcp(Ip::V4)?;
        let to = SocketAddr::new(OTHER_ADDRESS.into(), actor.port());
        actor.connect(&socket, to).gave(Err(Errno::ECONNREFUSED))?.failed()
    };
    refused(actor, Ip::V4)?; // to the port that is left out
    to_other_address()?;
    for _ in 0..2 {
        for (ip, nowhere) in [(Ip::V4, NO_ROUTE_V4.into()), (Ip::V6, NO_ROUTE_V6.into())] {
            accepted(actor, ip)?;
            refused(actor, ip)?;
            not_sent(actor, ip, SocketAddr::new(nowhere, actor.port()), Errno::ENETUNREACH)?;
        }
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

const KINDS: [&str; 8] =
    [WANTED, OTHER_PROCESS, OTHER_USER, OTHER_NAME, OTHER_CGROUP, OTHER_NETNS, PENDING, OTHER_PENDING];

fn wanted_ports(case: &str) -> RangeInclusive<u16> {
    port(case)..=port(case) + 7
}

fn not_wanted_port(case: &str) -> u16 {
    if [PENDING, OTHER_PENDING].contains(&case) { port(case) + 7 } else { port(case) }
}

const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// All destinations but that one.
const NETS: &str = "127.0.0.0/31,203.0.113.0/24,::1";

/// Of every kind of attempt, one meets each of these conditions alone not.
fn together() -> Filter<TcpConnect> {
    Filter {
        name: "together",
        args: |s| {
            let filters = AllFilters {
                wanted: &[WANTED, PENDING],
                other_user: OTHER_USER,
                other_name: OTHER_NAME,
                other_cgroup: OTHER_CGROUP,
                other_netns: OTHER_NETNS,
                ports: KINDS.map(wanted_ports).map(|ports| format!("{}-{}", ports.start(), ports.end())).join(","),
                not_ports: KINDS.map(|case| not_wanted_port(case).to_string()).join(","),
            };
            [filters.args(s), ["--daddr", NETS].map(str::to_owned).to_vec()].concat()
        },
        lets_through: is_wanted,
    }
}

/// The same, with a source address: of attempts that failed before they had one, none.
fn together_source() -> Filter<TcpConnect> {
    Filter {
        name: "together-source",
        args: |s| [(together().args)(s), vec!["--saddr=127.0.0.0/8,2001:db8::/32".into()]].concat(),
        lets_through: |a| is_wanted(a) && a.saddr.is_some(),
    }
}

fn is_wanted(a: &Attempt) -> bool {
    let case = a.by.case.as_str();
    let who = [WANTED, PENDING].contains(&case)
        || (case == OTHER_CGROUP && cgroup::mount().is_none())
        || (case == OTHER_NETNS && !machine::has_btf());
    let port = a.dport.is_some_and(|port| wanted_ports(case).contains(&port) && port != not_wanted_port(case));
    who && a.ip == 4 && port && a.daddr != Some(OTHER_ADDRESS.into())
}

/// In JSON, which says how many are pending.
const LPORT: Mode = mode::mode("lport", &["--json", "-L"], Format::Json);

pub fn trials(backend: Backend) -> Vec<Trial> {
    let modes: Vec<_> = TcpConnect::modes().into_iter().chain([&LPORT]).collect();
    let mut trials = filtering::trials_in(modes.clone(), backend, &KINDS, together);
    trials.extend(filtering::trials_in(modes, backend, &KINDS, together_source));
    trials
}
