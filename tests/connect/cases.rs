//! The list of cases: everything that an attempt to connect can meet.

use nix::errno::Errno;

use super::answers;
use super::at_once;
use super::contended;
use super::doors;
use super::filters;
use super::icmp;
use super::identity;
use super::loads;
use super::mptcp;
use super::unfinished;
use crate::common::filtering::FAMILY;
use crate::common::filtering::OTHER_FAMILY;
use crate::common::scenario::case::Case;
use crate::common::scenario::case::Turn;
use crate::common::scenario::case::alone;
use crate::common::scenario::case::meanwhile;
use crate::common::scenario::family::family;
use crate::common::scenario::socket::Ip::V4;
use crate::common::scenario::socket::Ip::V6;

pub const CASES: &[Case] = &[
    Case { name: "under-way-before", play: unfinished::under_way_before, turn: Turn::FromBefore },
    meanwhile("timed-out-v4", |a| unfinished::timed_out(a, V4)),
    meanwhile("timed-out-v6", |a| unfinished::timed_out(a, V6)),
    meanwhile("timed-out-nonblocking", unfinished::nonblocking_timed_out),
    meanwhile("timed-out-stopped", unfinished::stopped),
    meanwhile("accepted-late", |a| answers::late(a, Ok(()))),
    meanwhile("accepted-late-nonblocking", |a| answers::nonblocking_late(a, Ok(()))),
    meanwhile("refused-late", |a| answers::late(a, Err(Errno::ECONNREFUSED))),
    meanwhile("refused-late-nonblocking", |a| answers::nonblocking_late(a, Err(Errno::ECONNREFUSED))),
    alone("accepted-v4", |a| answers::accepted(a, V4)),
    alone("accepted-v6", |a| answers::accepted(a, V6)),
    alone("accepted-mapped", answers::mapped_accepted),
    alone("accepted-nonblocking-v4", |a| answers::nonblocking_accepted(a, V4)),
    alone("accepted-nonblocking-v6", |a| answers::nonblocking_accepted(a, V6)),
    alone("accepted-retried", answers::retried_accepted),
    alone("refused-v4", |a| answers::refused(a, V4)),
    alone("refused-v6", |a| answers::refused(a, V6)),
    alone("refused-mapped", answers::mapped_refused),
    alone("refused-nonblocking-v4", |a| answers::nonblocking_refused(a, V4)),
    alone("refused-nonblocking-v6", |a| answers::nonblocking_refused(a, V6)),
    alone("refused-retried", answers::retried_refused),
    alone("bound-v4", answers::bound_v4),
    alone("bound-v6", |a| answers::bound_port(a, V6)),
    alone("unspecified-v4", |a| answers::to_unspecified(a, V4)),
    alone("unspecified-v6", |a| answers::to_unspecified(a, V6)),
    alone("reused-at-once", answers::reused_at_once),
    alone("disconnected-and-again", answers::disconnected_and_again),
    alone("self-connect", answers::self_connect),
    alone("repaired", answers::repaired),
    alone("other-thread", identity::other_thread),
    alone("other-user", identity::other_user),
    alone("hostile-name", identity::hostile_name),
    alone("pid-namespace", identity::pid_namespace),
    alone("closed-v4", |a| unfinished::closed(a, V4)),
    alone("closed-v6", |a| unfinished::closed(a, V6)),
    alone("closed-after-retries", unfinished::retried),
    alone("closed-after-send-timeout", unfinished::send_timeout),
    alone("closed-after-interruption", unfinished::interrupted),
    alone("closed-by-shutdown", unfinished::shut_down),
    alone("closed-by-disconnect", unfinished::disconnected),
    alone("closed-by-kill", unfinished::killed),
    alone("closed-by-another-process", unfinished::outlived),
    alone("no-route-v4", at_once::no_route_v4),
    alone("no-route-v6", at_once::no_route_v6),
    alone("no-route-bound", at_once::no_route_bound),
    alone("no-route-mapped", at_once::no_route_mapped),
    alone("no-route-nonblocking", at_once::no_route_nonblocking),
    alone("rejected-by-route", at_once::rejected_by_route),
    alone("multicast-v4", at_once::multicast_v4),
    alone("multicast-v6", at_once::multicast_v6),
    alone("v6-only-mapped", at_once::v6_only_mapped),
    alone("wrong-family", at_once::wrong_family),
    alone("short-address", at_once::short_address),
    alone("port-in-use-v4", |a| at_once::port_in_use(a, V4)),
    alone("port-in-use-v6", |a| at_once::port_in_use(a, V6)),
    alone("no-free-port-v4", |a| at_once::no_free_port(a, V4)),
    alone("no-free-port-v6", |a| at_once::no_free_port(a, V6)),
    alone("no-free-port-again", at_once::no_free_port_again),
    alone("denied-by-cgroup", at_once::denied_by_cgroup),
    alone("icmp-host-unreachable", |a| icmp::unreachable(a, &icmp::HOST_UNREACHABLE)),
    alone("icmp-net-unreachable", |a| icmp::unreachable(a, &icmp::NET_UNREACHABLE)),
    alone("icmp-v6-unreachable", |a| icmp::unreachable(a, &icmp::V6_ADDRESS_UNREACHABLE)),
    alone("fast-open-send", doors::fast_open_send),
    alone("fast-open-send-refused", doors::fast_open_send_refused),
    alone("fast-open-send-no-route", doors::fast_open_send_no_route),
    alone("fast-open-deferred", doors::fast_open_deferred),
    alone("fast-open-never-sent", doors::fast_open_never_sent),
    alone("io-uring-accepted", doors::io_uring_accepted),
    alone("io-uring-refused", doors::io_uring_refused),
    alone("io-uring-no-route", doors::io_uring_no_route),
    alone("io-uring-no-free-port", doors::io_uring_no_free_port),
    alone("io-uring-worker-accepted", doors::io_uring_worker_accepted),
    alone("io-uring-worker-refused", doors::io_uring_worker_refused),
    alone("mptcp-accepted", mptcp::accepted),
    alone("mptcp-refused", mptcp::refused),
    alone("mptcp-no-route", mptcp::no_route),
    alone("mptcp-joined-by-kernel", mptcp::joined_by_kernel),
    alone("compat-accepted", doors::compat_accepted),
    alone("compat-refused", doors::compat_refused),
    alone("compat-no-route", doors::compat_no_route),
    alone("no-attempts", at_once::no_attempts),
    Case { name: "timed-out-contended", play: contended::timed_out, turn: Turn::Last },
    Case { name: "left-pending", play: unfinished::left_pending, turn: Turn::UntilTheEnd },
];

pub const FLOOD: &str = "flood";
pub const CROWD: &str = "crowd";
pub const CONTENDED_FLOOD: &str = "contended-flood";
pub const STREAM: &str = "stream";
pub const TIMING_OUT: &str = "timing-out";
pub const TIMING_OUT_HELD: &str = "timing-out-held";
pub const OTHER_CROWD: &str = "other-crowd";
pub const FEW: &str = "few";
/// Most of them tell no attempts, only their number.
pub const LOADS: &[Case] = &[
    alone(FLOOD, loads::flood),
    alone(CROWD, loads::crowd),
    alone(CONTENDED_FLOOD, loads::contended_flood),
    alone(STREAM, loads::stream),
    Case { name: OTHER_CROWD, play: loads::other_crowd, turn: Turn::UntilTheEnd },
    Case { name: FEW, play: loads::few, turn: Turn::Last },
    alone(TIMING_OUT, loads::timing_out),
    Case { name: TIMING_OUT_HELD, play: loads::timing_out_held, turn: Turn::UntilTheEnd },
    alone(filters::WANTED, filters::every_kind),
    alone(filters::OTHER_PROCESS, filters::every_kind),
    alone(filters::OTHER_USER, filters::every_kind_by_other_user),
    alone(filters::OTHER_NAME, filters::every_kind_by_other_name),
    alone(filters::OTHER_CGROUP, filters::every_kind),
    alone(filters::OTHER_NETNS, filters::every_kind_in_other_netns),
    Case { name: FAMILY, play: |a| family(a, OTHER_FAMILY, |a| answers::refused(a, V4)), turn: Turn::FromBefore },
    alone(OTHER_FAMILY, |a| answers::refused(a, V4)),
    Case { name: filters::PENDING, play: unfinished::left_pending, turn: Turn::UntilTheEnd },
    Case { name: filters::OTHER_PENDING, play: unfinished::left_pending, turn: Turn::UntilTheEnd },
];
