//! The list of cases: every way to accept, and all that can be odd about it.

use super::doors;
use super::filters;
use super::identity;
use super::loads;
use super::queues;
use super::waiting;
use crate::common::filtering::FAMILY;
use crate::common::filtering::OTHER_FAMILY;
use crate::common::scenario::case::Case;
use crate::common::scenario::case::Turn;
use crate::common::scenario::case::alone;
use crate::common::scenario::family::family;
use crate::common::scenario::socket::Ip::V4;
use crate::common::scenario::socket::Ip::V6;

pub const CASES: &[Case] = &[
    Case { name: "from-before", play: waiting::from_before, turn: Turn::FromBefore },
    Case { name: "from-before-mptcp", play: waiting::from_before_mptcp, turn: Turn::FromBefore },
    alone("queued-v4", |actor| doors::queued(actor, V4)),
    alone("queued-v6", |actor| doors::queued(actor, V6)),
    alone("queued-mapped", doors::mapped),
    alone("accept", doors::accept_without_4),
    alone("nonblocking", doors::nonblocking),
    alone("many-threads", waiting::many_threads),
    alone("reuse-port", queues::reuse_port),
    alone("backlog", queues::backlog),
    alone("reset-before", |actor| queues::reset_before(actor, actor.port())),
    alone("reset-before-on-any-port", |actor| queues::reset_before(actor, 0)),
    alone("listener-closed", waiting::listener_closed),
    alone("fast-open", doors::fast_open),
    alone("mptcp", doors::mptcp),
    alone("mptcp-reset-before", doors::mptcp_reset_before),
    alone("mptcp-plain-peer", doors::mptcp_plain_peer),
    alone("io-uring", doors::io_uring),
    alone("io-uring-worker", doors::io_uring_worker),
    alone("compat", doors::compat),
    alone("bad-address", doors::bad_address),
    alone("other-thread", identity::other_thread),
    alone("other-user", identity::other_user),
    alone("hostile-name", identity::hostile_name),
    alone("pid-namespace", identity::pid_namespace),
    alone("nothing-accepted", doors::nothing_accepted),
];

pub const FLOOD: &str = "flood";
pub const CONTENDED: &str = "contended";
pub const SNATCHED: &str = "snatched";
pub const LOADS: &[Case] = &[
    alone(FLOOD, loads::flood),
    alone(CONTENDED, loads::contended),
    alone(SNATCHED, loads::snatched),
    alone(filters::WANTED, filters::every_kind),
    alone(filters::OTHER_PROCESS, filters::every_kind),
    alone(filters::OTHER_USER, filters::every_kind_by_other_user),
    alone(filters::OTHER_NAME, filters::every_kind_by_other_name),
    alone(filters::OTHER_CGROUP, filters::every_kind),
    alone(filters::OTHER_NETNS, filters::every_kind_in_other_netns),
    Case {
        name: FAMILY,
        play: |actor| family(actor, OTHER_FAMILY, |actor| doors::queued(actor, V4)),
        turn: Turn::FromBefore,
    },
    alone(OTHER_FAMILY, |actor| doors::queued(actor, V4)),
];
