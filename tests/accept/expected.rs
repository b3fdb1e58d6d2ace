//! What row each backend is to give for an accepted connection: all the same, but for the differences in
//! the table of the tool's manual page.

use std::net::IpAddr;

use libtest_mimic::Trial;

use super::accepted::Accepted;
use super::accepted::Door;
use super::accepted::Queue;
use super::cases::CASES;
use super::cases::FLOOD;
use super::cases::LOADS;
use super::filters;
use super::loads::CONNECTIONS;
use super::totals;
use crate::common::allowed;
use crate::common::backend::Backend;
use crate::common::doer::Doer;
use crate::common::flood::Flood;
use crate::common::judge::Differing;
use crate::common::judge::Field;
use crate::common::mode;
use crate::common::mode::Format;
use crate::common::mode::Mode;
use crate::common::row::Row;
use crate::common::scenario::case::Case;
use crate::common::setup::Setup;
use crate::common::subject::Subject;
use crate::common::surroundings::Absent;

pub struct TcpAccept;

const MODES: &[Mode] = &[
    mode::mode("default", &["--json"], Format::Json),
    mode::mode("text-backlog", &["-T", "-t", "-U", "--backlog"], Format::Text),
    mode::mode("backlog", &["--json", "--backlog"], Format::Json),
];

fn allowed(id: &'static str) -> bool {
    allowed::allowed("tcpaccept", id)
}

pub struct Expected {
    by: Doer,
    laddr: Field<IpAddr>,
    rport: Field<u16>,
    queue: Backlog,
}

/// Of a listening socket's queue.
struct Backlog {
    waiting: Field<u32>,
    limit: Field<u32>,
}

impl Subject for TcpAccept {
    const CASES: &'static [Case] = CASES;
    const LOADS: &'static [Case] = LOADS;
    const FILTERED: &'static [&'static str] =
        &["queued-v4", "queued-v6", "queued-mapped", "accept", "other-user", "other-thread", filters::OTHER_NETNS];
    const REMOTE: &'static str = "--raddr";
    const LOCAL: &'static str = "--laddr";
    const FLOOD: Flood = Flood { case: FLOOD, rows: CONNECTIONS, distinct: "rport", options: &[] };
    type Deed = Accepted;
    type Expected = Expected;

    fn modes() -> Vec<&'static Mode> {
        MODES.iter().collect()
    }

    fn expected(setup: Setup, mode: &Mode, accepted: &Accepted) -> Option<Expected> {
        sees(setup.backend, accepted).then(|| {
            let (laddr, rport) = ends(setup.backend, accepted);
            Expected {
                by: setup.named(&accepted.by, allowed),
                laddr,
                rport,
                queue: backlog(setup.backend, mode, accepted),
            }
        })
    }

    fn own_port(row: &Row) -> Option<u16> {
        row.number("lport")
    }

    fn may_skip(setup: Setup, _mode: &Mode, _deeds: &[Accepted]) -> bool {
        may_be_skipped(setup.backend)
    }

    fn may_lose(setup: Setup) -> bool {
        may_be_skipped(setup.backend)
    }

    fn ask_for_differences() {
        ask_for_all();
    }

    fn trials(backend: Backend) -> Vec<Trial> {
        filters::trials(backend).into_iter().chain(totals::trials(backend)).collect()
    }

    const ABSENT: &'static [Absent] =
        &[Absent { name: "graft-not-built", names: &["security_sock_graft"], refused: None }];

    fn differing(mode: &Mode, accepted: &Accepted, expected: &Expected, row: &Row) -> Vec<String> {
        let Accepted { local, remote, .. } = accepted;
        let mut wrong = Differing::default();
        wrong.identity(mode.format, &expected.by, row);
        wrong.time(&accepted.by, accepted.by.returned.boot_ns, row);
        wrong.is("ip", &Some(if local.is_ipv4() { 4 } else { 6 }), &row.number("ip"));
        wrong.field("laddr", &expected.laddr, row.address("laddr"));
        wrong.is("lport", &Some(local.port()), &row.number("lport"));
        wrong.is("raddr", &Some(remote.ip()), &row.address("raddr"));
        wrong.field("rport", &expected.rport, row.number("rport"));
        wrong.field("backlog", &expected.queue.waiting, row.number("backlog"));
        wrong.field("backlog_max", &expected.queue.limit, row.number("backlog_max"));
        wrong.all()
    }
}

fn sees(backend: Backend, accepted: &Accepted) -> bool {
    !match backend {
        Backend::Fentry => accepted.mptcp && accepted.from_before && allowed("mptcp-from-before"),
        Backend::Kprobe => false,
        Backend::Tracepoint => match accepted.door {
            Door::Accept => false,
            Door::Compat => allowed("compat"),
            Door::IoUring => allowed("other-ways-in"),
            Door::FailedLate => allowed("failed-late"),
        },
    }
}

/// What a reset can take away.
fn ends(backend: Backend, accepted: &Accepted) -> (Field<IpAddr>, Field<u16>) {
    let (laddr, rport) = (accepted.local.ip(), accepted.remote.port());
    if backend == Backend::Fentry && accepted.mptcp && accepted.reset && allowed("mptcp-reset") {
        return (Field::Perhaps(laddr), Field::Perhaps(rport));
    }
    (Field::Is(laddr), Field::Is(rport))
}

fn backlog(backend: Backend, mode: &Mode, accepted: &Accepted) -> Backlog {
    let absent = Backlog { waiting: Field::Absent, limit: Field::Absent };
    // The beginning of the call tells of the listening socket.
    if !mode.has("--backlog") || accepted.from_before {
        return absent;
    }
    match accepted.queue {
        Queue::Orphaned { .. } if backend == Backend::Tracepoint && allowed("backlog-later") => absent,
        Queue::Is { waiting, limit } | Queue::Orphaned { waiting, limit } => {
            Backlog { waiting: Field::Is(waiting), limit: Field::Is(limit) }
        }
        Queue::Moves { most, limit } => {
            Backlog { waiting: Field::OneOf((0..=most).collect()), limit: Field::Is(limit) }
        }
    }
}

/// The kernel skips perf-attached programs while another such program, or a bpf(2) map operation, runs on
/// that CPU.
pub fn may_be_skipped(backend: Backend) -> bool {
    backend != Backend::Fentry && allowed("skipped")
}

/// The descriptor is looked for when the call is over.
pub fn may_be_snatched(backend: Backend) -> bool {
    backend == Backend::Tracepoint && allowed("descriptor-gone")
}

/// Over every kind of accept, machine and mode.
fn ask_for_all() {
    let at = ([127, 0, 0, 1], 1).into();
    let plain = Accepted::new(Doer::default(), at, at);
    let doors = [Door::Accept, Door::Compat, Door::IoUring, Door::FailedLate];
    let mut every = doors.map(|door| Accepted { door, ..plain.clone() }).to_vec();
    every.push(Accepted { by: Doer::default().nested(), ..plain.clone() });
    every.push(Accepted { mptcp: true, from_before: true, ..plain.clone() });
    every.push(Accepted { mptcp: true, reset: true, ..plain.clone() });
    every.push(Accepted { queue: Queue::Orphaned { waiting: 0, limit: 0 }, ..plain });
    for setup in Setup::every() {
        for mode in MODES {
            every.iter().for_each(|accepted| drop(TcpAccept::expected(setup, mode, accepted)));
        }
        may_be_skipped(setup.backend);
        may_be_snatched(setup.backend);
    }
}
