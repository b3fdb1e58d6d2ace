//! tcpconnect: the deeds are attempts to connect.

use std::ops::RangeInclusive;

use super::attempt::Attempt;
use super::attempt::Fate;
use super::cases::CASES;
use super::cases::LOADS;
use super::differences;
use super::differences::Expected;
use crate::common::backend::Backend;
use crate::common::doer::Doer;
use crate::common::doer::Thread;
use crate::common::judge::Differing;
use crate::common::judge::clock_tolerance_ns;
use crate::common::mode::Format;
use crate::common::mode::MODES;
use crate::common::mode::Mode;
use crate::common::mode::OUTCOME_MODES;
use crate::common::row::Row;
use crate::common::scenario::case::Case;
use crate::common::setup::Setup;
use crate::common::subject::Deed;
use crate::common::subject::Subject;

pub struct TcpConnect;

impl Deed for Attempt {
    fn by(&self) -> &Doer {
        &self.by
    }

    fn is_pending(&self) -> bool {
        self.fate == Fate::Pending
    }

    /// By process, or by destination where that may not be told.
    fn may_be(&self, row: &Row) -> bool {
        match self.by.thread {
            Thread::Kernel => row.dport == self.dport && row.daddr == self.daddr,
            _ if self.by.nested && row.pid == 0 => row.dport == self.dport && row.daddr == self.daddr,
            _ => row.pid == self.by.pid,
        }
    }
}

impl Subject for TcpConnect {
    const TOOL: &'static str = "tcpconnect";
    const CASES: &'static [Case] = CASES;
    const LOADS: &'static [Case] = LOADS;
    type Deed = Attempt;
    type Expected = Expected;

    fn modes() -> Vec<&'static Mode> {
        MODES.iter().chain(OUTCOME_MODES).collect()
    }

    fn expected(setup: Setup, mode: &Mode, attempt: &Attempt) -> Option<Expected> {
        Some(differences::expected(setup, mode, attempt)).filter(|expected| expected.row)
    }

    fn own_port(row: &Row) -> Option<u16> {
        row.dport
    }

    fn may_skip(setup: Setup, mode: &Mode, attempts: &[Attempt]) -> bool {
        differences::may_skip(setup, mode, attempts)
    }

    fn may_lose(setup: Setup) -> bool {
        differences::is_skipped_with_its_row(setup)
    }

    fn pending(setup: Setup, mode: &Mode, made: u64) -> RangeInclusive<u64> {
        match mode.waits() {
            true => made..=made,
            // It waits for the port, but only until the SYN is sent again.
            false if mode.lport && setup.backend == Backend::Tracepoint => 0..=made,
            false => 0..=0,
        }
    }

    /// Every field that is not what it is to be.
    fn differing(mode: &Mode, attempt: &Attempt, expected: &Expected, row: &Row) -> Vec<String> {
        let mut wrong = Differing::default();
        wrong.identity(mode.format, &expected.by, row);
        wrong.time(&attempt.by, latest(attempt), row);
        wrong.is("ip", &attempt.ip, &row.ip);
        wrong.field("saddr", &expected.saddr, row.saddr);
        wrong.field("daddr", &expected.daddr, row.daddr);
        wrong.field("dport", &expected.dport, row.dport);
        if mode.format == Format::Json || mode.lport {
            wrong.field("sport", &expected.sport, row.sport);
        }
        wrong.field("result", &expected.result, row.result.clone());
        if mode.format == Format::Json {
            wrong.field("error", &expected.error, row.error.clone());
        }
        if mode.format == Format::Json || mode.outcome {
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
    wrong.field("latency", &expected.latency, row.latency_ns.map(|_| ()));
    if expected.told_by_port && row.latency_ns.is_some() != row.sport.is_some() {
        wrong.wrong("latency and sport are to be known together");
    }
    if let Some(latency) = row.latency_ns {
        let longest = attempt.over_ns - attempt.by.began.boot_ns;
        let shortest = attempt.took_at_least_ns.max(attempt.round_trip_ns).saturating_sub(clock_tolerance_ns());
        wrong.within("latency_ns", shortest..=longest + clock_tolerance_ns(), latency);
        if row.ts.is_some() && latency == 0 {
            wrong.wrong("latency_ns is 0");
        }
    }
}
