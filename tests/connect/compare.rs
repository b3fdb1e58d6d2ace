//! tcpconnect: the deeds are attempts to connect.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use libtest_mimic::Trial;

use super::attempt::Attempt;
use super::attempt::Fate;
use super::cases::CASES;
use super::cases::FLOOD;
use super::cases::LOADS;
use super::counting;
use super::differences;
use super::differences::Expected;
use super::endings;
use super::filters;
use super::loads::FLOOD_ATTEMPTS;
use super::modes;
use super::output;
use super::under_load;
use crate::common::backend::Backend;
use crate::common::doer::Doer;
use crate::common::doer::Thread;
use crate::common::flood::Flood;
use crate::common::judge::Differing;
use crate::common::judge::clock_tolerance_ns;
use crate::common::mode::Format;
use crate::common::mode::Mode;
use crate::common::row::Row;
use crate::common::scenario::case::Case;
use crate::common::setup::Setup;
use crate::common::subject::Deed;
use crate::common::subject::Pending;
use crate::common::subject::Subject;
use crate::common::surroundings::Absent;

pub struct TcpConnect;

impl Deed for Attempt {
    const TOOL: &'static str = "tcpconnect";

    fn by(&self) -> &Doer {
        &self.by
    }

    fn ip(&self) -> u8 {
        self.ip
    }

    fn port(&self) -> Option<u16> {
        self.dport
    }

    fn remote(&self) -> Option<IpAddr> {
        self.daddr
    }

    fn local(&self) -> Option<IpAddr> {
        self.saddr
    }

    fn is_pending(&self) -> bool {
        self.fate == Fate::Pending
    }

    /// By process, or by destination where that may not be told.
    fn may_be(&self, row: &Row) -> bool {
        let same_destination = || row.number("dport") == self.dport && row.address("daddr") == self.daddr;
        match self.by.thread {
            Thread::Kernel => same_destination(),
            _ if self.by.nested && row.pid() == Some(0) => same_destination(),
            _ => row.pid() == Some(self.by.pid),
        }
    }
}

impl Subject for TcpConnect {
    const CASES: &'static [Case] = CASES;
    const LOADS: &'static [Case] = LOADS;
    const FILTERED: &'static [&'static str] = &[
        "accepted-v4",
        "accepted-v6",
        "accepted-mapped",
        "refused-v4",
        "refused-v6",
        "other-user",
        "other-thread",
        filters::OTHER_NETNS,
    ];
    const REMOTE: &'static str = "--daddr";
    const LOCAL: &'static str = "--saddr";
    const FLOOD: Flood = Flood { case: FLOOD, rows: FLOOD_ATTEMPTS, distinct: "sport", options: &["-L"] };
    type Deed = Attempt;
    type Expected = Expected;

    fn modes() -> Vec<&'static Mode> {
        modes::ALL.iter().collect()
    }

    fn expected(setup: Setup, mode: &Mode, attempt: &Attempt) -> Option<Expected> {
        Some(differences::expected(setup, mode, attempt)).filter(|expected| expected.row)
    }

    fn own_port(row: &Row) -> Option<u16> {
        row.number("dport")
    }

    fn may_skip(setup: Setup, mode: &Mode, attempts: &[Attempt]) -> bool {
        differences::may_skip(setup, mode, attempts)
    }

    fn may_lose(setup: Setup) -> bool {
        differences::is_skipped_with_its_row(setup)
    }

    fn pending(setup: Setup, mode: &Mode, made: u64) -> RangeInclusive<u64> {
        match modes::waits(mode) {
            true => made..=made,
            // It waits for the port, but only until the SYN is sent again.
            false if modes::lport(mode) && setup.backend == Backend::Tracepoint => 0..=made,
            false => 0..=0,
        }
    }

    fn waits(mode: &Mode) -> bool {
        modes::waits(mode)
    }

    fn shows_pending(mode: &Mode) -> Pending {
        match modes::failed(mode) {
            true => Pending::Counted,
            false if modes::outcome(mode) => Pending::Named(|row| row.text("result") == Some("pending")),
            false => Pending::Rows,
        }
    }

    fn ask_for_differences() {
        differences::ask_for_all();
    }

    fn trials_under_load(backend: Backend) -> Vec<Trial> {
        under_load::trials(backend)
    }

    fn trials(backend: Backend) -> Vec<Trial> {
        let trials = [filters::trials, endings::trials, output::trials, counting::trials];
        trials.into_iter().flat_map(|trials| trials(backend)).collect()
    }

    const ABSENT: &'static [Absent] = &[
        Absent { name: "ipv6-not-loaded", names: &["tcp_v6_connect"], refused: Some("modprobe ipv6") },
        Absent { name: "ipv6-not-built", names: &["tcp_v6_connect", "skc_v6_daddr"], refused: None },
    ];

    fn takes_tracefs(backend: Backend) -> &'static [&'static str] {
        if backend == Backend::Tracepoint { &["--outcome"] } else { &[] }
    }

    fn differing(mode: &Mode, attempt: &Attempt, expected: &Expected, row: &Row) -> Vec<String> {
        let mut wrong = Differing::default();
        wrong.identity(mode.format, &expected.by, row);
        wrong.time(&attempt.by, latest(attempt), row);
        wrong.is("ip", &Some(attempt.ip), &row.number("ip"));
        wrong.field("saddr", &expected.saddr, row.address("saddr"));
        wrong.field("daddr", &expected.daddr, row.address("daddr"));
        wrong.field("dport", &expected.dport, row.number("dport"));
        if mode.format == Format::Json || modes::lport(mode) {
            wrong.field("sport", &expected.sport, row.number("sport"));
        }
        wrong.field("result", &expected.result, row.text("result").map(str::to_owned));
        if mode.format == Format::Json {
            wrong.field("error", &expected.error, row.text("error").map(str::to_owned));
        }
        if mode.format == Format::Json || modes::outcome(mode) {
            latency(&mut wrong, attempt, expected, row);
        }
        wrong.all()
    }
}

/// When the attempt was made, at the latest: its call had not returned, and its outcome was not there yet.
fn latest(attempt: &Attempt) -> u64 {
    attempt.by.returned.boot_ns.min(attempt.over_ns.saturating_sub(attempt.took_at_least_ns))
}

fn latency(wrong: &mut Differing, attempt: &Attempt, expected: &Expected, row: &Row) {
    wrong.field("latency_ns", &expected.latency, row.has("latency_ns").then_some(()));
    if expected.told_by_port && row.has("latency_ns") != row.has("sport") {
        wrong.wrong("latency and sport are to be known together");
    }
    if let Some(latency) = row.number("latency_ns") {
        let longest = attempt.over_ns - attempt.by.began.boot_ns;
        let shortest = attempt.took_at_least_ns.max(attempt.round_trip_ns).saturating_sub(clock_tolerance_ns());
        wrong.within("latency_ns", shortest..=longest + clock_tolerance_ns(), latency);
        if row.ts().is_some() && latency == 0 {
            wrong.wrong("latency_ns is 0");
        }
    }
}
