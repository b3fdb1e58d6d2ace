//! What row each backend is to give for an accepted connection: all the same, but for the differences in
//! the table of the tool's manual page.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use libtest_mimic::Trial;

use super::accepted::Accepted;
use super::accepted::Door;
use super::accepted::Queue;
use super::cases::CASES;
use super::cases::LOADS;
use crate::common::allowed;
use crate::common::backend::Backend;
use crate::common::doer::Doer;
use crate::common::judge::Differing;
use crate::common::judge::Field;
use crate::common::mode;
use crate::common::mode::Format;
use crate::common::mode::Mode;
use crate::common::row::Row;
use crate::common::scenario::case::Case;
use crate::common::setup::Setup;
use crate::common::subject::Subject;

pub struct TcpAccept;

const MODES: &[Mode] = &[
    mode::mode("default", &["--json"], Format::Json),
    mode::mode("backlog", &["--json", "--backlog"], Format::Json),
    mode::mode("text-backlog", &["-T", "-t", "-U", "--backlog"], Format::Text),
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
    const TOOL: &'static str = "tcpaccept";
    const CASES: &'static [Case] = CASES;
    const LOADS: &'static [Case] = LOADS;
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
        row.sport
    }

    fn may_skip(setup: Setup, _mode: &Mode, _deeds: &[Accepted]) -> bool {
        may_be_skipped(setup.backend)
    }

    fn may_lose(setup: Setup) -> bool {
        may_be_skipped(setup.backend)
    }

    fn pending(_setup: Setup, _mode: &Mode, _made: u64) -> RangeInclusive<u64> {
        0..=0
    }

    fn differing(mode: &Mode, accepted: &Accepted, expected: &Expected, row: &Row) -> Vec<String> {
        let Accepted { local, remote, .. } = accepted;
        let mut wrong = Differing::default();
        wrong.identity(mode.format, &expected.by, row);
        wrong.time(&accepted.by, accepted.by.returned.boot_ns, row);
        wrong.is("ip", &if local.is_ipv4() { 4 } else { 6 }, &row.ip);
        wrong.field("laddr", &expected.laddr, row.saddr);
        wrong.is("lport", &Some(local.port()), &row.sport);
        wrong.is("raddr", &Some(remote.ip()), &row.daddr);
        wrong.field("rport", &expected.rport, row.dport);
        wrong.field("backlog", &expected.queue.waiting, row.backlog.map(|(waiting, _)| waiting));
        wrong.field("backlog_max", &expected.queue.limit, row.backlog.map(|(_, limit)| limit));
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
    if !mode.args.contains(&"--backlog") || accepted.from_before {
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
pub fn trial() -> Trial {
    allowed::trial("tcpaccept", || {
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
    })
}
