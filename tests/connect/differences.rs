//! What row each backend is to give for an attempt: all the same, but for the differences in the
//! table of the tool's manual page. Wherever rows may differ below, [`allowed`] names one of those.

use std::net::IpAddr;
use std::net::Ipv6Addr;

use super::attempt::Attempt;
use super::attempt::Fate;
use super::attempt::Path;
use super::attempt::Shown;
use super::modes;
use super::unfinished::NEARLY_A_SECOND;
use crate::common::allowed;
use crate::common::backend::Backend;
use crate::common::doer::Doer;
use crate::common::judge::Field;
use crate::common::mode::Format;
use crate::common::mode::Mode;
use crate::common::setup::Setup;

#[derive(Clone, Debug)]
pub struct Expected {
    /// Whether there is a row, exactly one.
    pub row: bool,
    pub by: Doer,
    pub saddr: Field<IpAddr>,
    pub sport: Field<u16>,
    pub daddr: Field<IpAddr>,
    pub dport: Field<u16>,
    pub result: Field<String>,
    pub error: Field<String>,
    /// Whether there is a latency.
    pub latency: Field<()>,
    /// It is there where the port is.
    pub told_by_port: bool,
}

/// What `mode` of a backend is to show of an attempt.
pub fn expected(setup: Setup, mode: &Mode, attempt: &Attempt) -> Expected {
    let [result, error] = outcome(setup, mode, attempt);
    let expected = Expected {
        row: presence(setup, mode, attempt),
        by: setup.named(&attempt.by, allowed),
        saddr: saddr(attempt),
        sport: sport(setup, mode, attempt),
        daddr: destination(setup, attempt, attempt.daddr),
        dport: destination(setup, attempt, attempt.dport),
        result,
        error,
        latency: latency(setup, mode, attempt),
        told_by_port: false,
    };
    if may_be_contended(setup, mode, attempt) { expected.with_what_a_record_told_unknown() } else { expected }
}

fn perhaps<T>(field: Field<T>) -> Field<T> {
    if let Field::Is(value) = field { Field::Perhaps(value) } else { field }
}

impl Expected {
    /// The port may be gone by the time that the second program comes.
    fn with_what_a_record_told_unknown(self) -> Expected {
        let told_by_port = self.latency != Field::Absent;
        Expected { sport: perhaps(self.sport), latency: perhaps(self.latency), told_by_port, ..self }
    }
}

fn allowed(id: &'static str) -> bool {
    allowed::allowed("tcpconnect", id)
}

fn presence(setup: Setup, mode: &Mode, attempt: &Attempt) -> bool {
    let wanted = !modes::failed(mode) || !matches!(attempt.fate, Fate::Established | Fate::Pending);
    attempt.shown != Shown::Never && wanted && sees(setup, mode, attempt)
}

fn sees(setup: Setup, mode: &Mode, attempt: &Attempt) -> bool {
    !match setup.backend {
        Backend::Fentry | Backend::Kprobe => matches!(attempt.fate, Fate::Denied(_)) && allowed("denied"),
        Backend::Tracepoint if attempt.fate.entered_syn_sent() => false,
        Backend::Tracepoint if !modes::waits(mode) => allowed("early-failures"),
        Backend::Tracepoint if setup.classic => allowed("classic-early-failures"),
        Backend::Tracepoint => !sees_returns(setup, attempt),
    }
}

/// The tracepoint learns what connect(2) returned from the tracepoints of that system call, on only
/// where outcomes are asked for; every other way in returns unseen.
fn sees_returns(setup: Setup, attempt: &Attempt) -> bool {
    !(!setup.syscalls && allowed("closed-tracefs") || attempt.path != Path::Connect && allowed("other-ways-in"))
}

/// Perf-attached programs are skipped while another such program, or a bpf(2) map operation, runs on that CPU; the one
/// that follows the states of sockets, where a timer's softirq meets it at work.
pub fn may_skip(setup: Setup, mode: &Mode, attempts: &[Attempt]) -> bool {
    let follows_states = modes::waits(mode) || setup.backend == Backend::Tracepoint;
    is_skipped_with_its_row(setup) || follows_states && attempts.iter().any(ends_by_timer) && allowed("skipped")
}

fn ends_by_timer(attempt: &Attempt) -> bool {
    attempt.took_at_least_ns >= NEARLY_A_SECOND.as_nanos() as u64
}

/// A call without its return, in kprobe; a beginning, in the classic form.
pub fn is_skipped_with_its_row(setup: Setup) -> bool {
    (setup.backend == Backend::Kprobe || setup.classic) && allowed("skipped")
}

/// The classic program may be skipped just where the outcome comes: a timer interrupts whatever its CPU is at, and that
/// may be a program or bpf(2) of somebody else's (2 of 8 runs on a machine with ten busy processes).
fn may_be_contended(setup: Setup, mode: &Mode, attempt: &Attempt) -> bool {
    let outcome = attempt.shown == Shown::ContendedOutcome || ends_by_timer(attempt);
    (modes::waits(mode) || modes::lport(mode)) && setup.classic && outcome && allowed("skipped")
}

fn saddr(attempt: &Attempt) -> Field<IpAddr> {
    match (&attempt.fate, attempt.saddr) {
        (Fate::NoPort(_), Some(saddr)) if !attempt.bound && allowed("returned-source") => Field::Perhaps(saddr),
        (_, Some(saddr)) => Field::Is(saddr),
        (_, None) => Field::Absent,
    }
}

fn sport(setup: Setup, mode: &Mode, attempt: &Attempt) -> Field<u16> {
    let Some(sport) = attempt.sport else { return Field::Absent };
    // The port is chosen after CLOSE → SYN_SENT; the row waits for it only where it is asked for.
    let early = setup.backend == Backend::Tracepoint && !attempt.bound;
    // … and nothing tells of it before the outcome, or the first SYN that is sent again.
    if early && attempt.fate == Fate::Pending && allowed("late-port") {
        return Field::Perhaps(sport);
    }
    if early && !modes::lport(mode) && !modes::waits(mode) && mode.format == Format::Json && allowed("late-port") {
        return Field::Absent;
    }
    Field::Is(sport)
}

fn destination<T>(setup: Setup, attempt: &Attempt, value: Option<T>) -> Field<T> {
    let early = attempt.ip == 6 && !attempt.fate.entered_syn_sent();
    match value {
        // The socket has no address yet, and the caller's must not be read.
        Some(value) if setup.confidential && early && allowed("confidential") => Field::Perhaps(value),
        Some(value) => Field::Is(value),
        None => Field::Absent,
    }
}

/// RESULT and the error.
fn outcome(setup: Setup, mode: &Mode, attempt: &Attempt) -> [Field<String>; 2] {
    let error = attempt.fate.error().map(str::to_owned);
    if !modes::waits(mode) {
        let synchronous = matches!(attempt.fate, Fate::NotSent(_) | Fate::NoPort(_));
        let untold = setup.backend == Backend::Tracepoint && allowed("early-errors");
        let error = error.filter(|_| synchronous && !untold);
        return [Field::Absent, error.map_or(Field::Absent, Field::Is)];
    }
    match (&attempt.fate, error) {
        (Fate::Established, _) => word("ok"),
        (Fate::Pending, _) => word("pending"),
        (_, Some(error)) if setup.classic && attempt.told && sees_returns(setup, attempt) => errno(error),
        _ if setup.classic && allowed("classic-errors") => {
            [Field::OneOf(vec!["closed".to_owned(), "failed".to_owned()]), Field::Absent]
        }
        (Fate::Closed, _) => word("closed"),
        (Fate::NoPort(_), _)
            if setup.backend == Backend::Tracepoint && !sees_returns(setup, attempt) && allowed("unseen-returns") =>
        {
            word("closed")
        }
        (_, Some(error)) => errno(error),
        (fate, None) => unreachable!("{fate:?} has an error"),
    }
}

fn word(word: &str) -> [Field<String>; 2] {
    [Field::Is(word.to_owned()), Field::Absent]
}

fn errno(error: String) -> [Field<String>; 2] {
    [Field::Is(error.clone()), Field::Is(error)]
}

fn latency(setup: Setup, mode: &Mode, attempt: &Attempt) -> Field<()> {
    let sent_syn = attempt.syn && attempt.fate.sent_syn();
    match modes::waits(mode) && attempt.fate != Fate::Pending {
        true if sent_syn => Field::Is(()),
        true if setup.classic && allowed("classic-latency") => Field::Perhaps(()),
        _ => Field::Absent,
    }
}

/// Whether an attempt whose end was skipped may read `pending`, where its socket stays open: it must not be looked at.
pub fn may_stay_pending(confidential: bool) -> bool {
    confidential && allowed("last-look")
}

/// Whether the kernel says how often it skipped a program of kprobe's or of a system call.
pub fn tells_skips(kernel: (u32, u32)) -> bool {
    kernel >= (6, 7) || !allowed("skipped")
}

/// Over every kind of attempt, machine and mode.
pub fn ask_for_all() {
    may_stay_pending(true);
    tells_skips((5, 10));
    let attempts = every_kind_of_attempt();
    for setup in Setup::every() {
        for mode in modes::ALL {
            attempts.iter().for_each(|attempt| drop(expected(setup, mode, attempt)));
        }
    }
}

fn every_kind_of_attempt() -> Vec<Attempt> {
    let error = || "EACCES".to_owned();
    let fates = [
        Fate::Denied(error()),
        Fate::NotSent(error()),
        Fate::NoPort(error()),
        Fate::Failed(error()),
        Fate::Established,
        Fate::Closed,
        Fate::Pending,
    ];
    let mut attempts = Vec::new();
    for fate in fates {
        for path in [Path::Connect, Path::IoUring] {
            for (shown, told, bound) in [(Shown::Always, true, true), (Shown::ContendedOutcome, false, false)] {
                attempts.push(Attempt {
                    by: Doer::default().nested(),
                    ip: 6,
                    saddr: Some(Ipv6Addr::LOCALHOST.into()),
                    sport: Some(1),
                    bound,
                    daddr: Some(Ipv6Addr::LOCALHOST.into()),
                    dport: Some(1),
                    path,
                    fate: fate.clone(),
                    told,
                    syn: true,
                    over_ns: 0,
                    took_at_least_ns: 0,
                    round_trip_ns: 0,
                    shown,
                });
            }
        }
    }
    attempts
}
