//! What row each backend is to give for an attempt: all the same, but for the differences that the
//! design allows. Every `Backend::` below is one of those.

use std::net::IpAddr;

use super::attempt::Attempt;
use super::attempt::Fate;
use super::attempt::Path;
use super::attempt::Shown;
use super::mode::Format;
use super::mode::Mode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Fentry,
    Kprobe,
    Tracepoint,
}

impl Backend {
    pub const ALL: [Backend; 3] = [Backend::Fentry, Backend::Kprobe, Backend::Tracepoint];

    pub fn name(self) -> &'static str {
        match self {
            Backend::Fentry => "fentry",
            Backend::Kprobe => "kprobe",
            Backend::Tracepoint => "tracepoint",
        }
    }
}

/// Where the rows come from.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub backend: Backend,
    /// The tracepoint without BTF.
    pub classic: bool,
    /// lockdown=confidentiality.
    pub confidential: bool,
    /// The tracepoints of system calls can be attached: that takes a readable tracefs.
    pub syscalls: bool,
}

/// What a field is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field<T> {
    Is(T),
    Absent,
    /// The value, or nothing.
    Perhaps(T),
    OneOf(Vec<T>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    One,
    None,
    /// The kernel may have skipped the program, and then counts it where it can.
    Perhaps,
}

#[derive(Clone, Debug)]
pub struct Expected {
    pub row: Presence,
    pub saddr: Field<IpAddr>,
    pub sport: Field<u16>,
    pub daddr: Field<IpAddr>,
    pub dport: Field<u16>,
    pub result: Field<String>,
    pub error: Field<String>,
    /// Whether there is a latency.
    pub latency: Field<()>,
}

/// What `mode` of a backend is to show of an attempt.
pub fn expected(setup: Setup, mode: &Mode, attempt: &Attempt) -> Expected {
    let row = presence(setup, mode, attempt);
    let [result, error] = outcome(setup, mode, attempt);
    let expected = Expected {
        row,
        saddr: saddr(attempt),
        sport: sport(setup, mode, attempt),
        daddr: destination(setup, attempt, attempt.daddr),
        dport: destination(setup, attempt, attempt.dport),
        result,
        error,
        latency: latency(setup, mode, attempt),
    };
    if row == Presence::Perhaps { expected.perhaps_pending() } else { expected }
}

impl Expected {
    /// An outcome that the kernel did not show: the attempt seems to be under way still.
    fn perhaps_pending(self) -> Expected {
        let perhaps = |field| if let Field::Is(value) = field { Field::Perhaps(value) } else { field };
        let result = match self.result {
            Field::OneOf(mut words) => {
                words.push("pending".to_owned());
                Field::OneOf(words)
            }
            result => result,
        };
        Expected { sport: perhaps(self.sport), result, latency: Field::Perhaps(()), ..self }
    }
}

fn presence(setup: Setup, mode: &Mode, attempt: &Attempt) -> Presence {
    let wanted = !mode.failed || !matches!(attempt.fate, Fate::Established | Fate::Pending);
    if attempt.shown == Shown::Never || !wanted || !sees(setup, mode, attempt) {
        Presence::None
    } else if may_skip(setup, mode, attempt) {
        Presence::Perhaps
    } else {
        Presence::One
    }
}

fn sees(setup: Setup, mode: &Mode, attempt: &Attempt) -> bool {
    match setup.backend {
        Backend::Fentry | Backend::Kprobe => !matches!(attempt.fate, Fate::Denied(_)),
        Backend::Tracepoint if attempt.fate.entered_syn_sent() => true,
        Backend::Tracepoint => mode.waits() && sees_returns(setup, attempt) && !setup.classic,
    }
}

/// The tracepoint learns what connect(2) returned from the tracepoints of that system call, on only
/// where outcomes are asked for; every other way in returns unseen.
fn sees_returns(setup: Setup, attempt: &Attempt) -> bool {
    setup.syscalls && attempt.path == Path::Connect
}

/// Perf-attached programs are skipped while another such program, or a bpf(2) map operation, runs
/// on that CPU.
fn may_skip(setup: Setup, mode: &Mode, attempt: &Attempt) -> bool {
    (mode.waits() || mode.lport) && setup.classic && attempt.shown == Shown::ContendedOutcome
}

fn saddr(attempt: &Attempt) -> Field<IpAddr> {
    match (&attempt.fate, attempt.saddr) {
        // Some kernels take back the address together with the port.
        (Fate::NoPort(_), Some(saddr)) if !attempt.bound => Field::Perhaps(saddr),
        (_, Some(saddr)) => Field::Is(saddr),
        (_, None) => Field::Absent,
    }
}

fn sport(setup: Setup, mode: &Mode, attempt: &Attempt) -> Field<u16> {
    let Some(sport) = attempt.sport else { return Field::Absent };
    // The port is chosen after CLOSE → SYN_SENT; the row waits for it only where it is asked for.
    let early = setup.backend == Backend::Tracepoint && !attempt.bound;
    // … and nothing tells of it before the outcome, or the first SYN that is sent again.
    if early && attempt.fate == Fate::Pending {
        return Field::Perhaps(sport);
    }
    if early && !mode.lport && !mode.waits() && mode.format == Format::Json {
        return Field::Absent;
    }
    Field::Is(sport)
}

fn destination<T>(setup: Setup, attempt: &Attempt, value: Option<T>) -> Field<T> {
    match value {
        // The socket has no address yet, and confidentiality forbids to read the caller's.
        Some(value) if setup.confidential && attempt.ip == 6 && !attempt.fate.entered_syn_sent() => {
            Field::Perhaps(value)
        }
        Some(value) => Field::Is(value),
        None => Field::Absent,
    }
}

/// RESULT and the error.
fn outcome(setup: Setup, mode: &Mode, attempt: &Attempt) -> [Field<String>; 2] {
    let error = attempt.fate.error().map(str::to_owned);
    if !mode.waits() {
        let synchronous = matches!(attempt.fate, Fate::NotSent(_) | Fate::NoPort(_));
        let error = error.filter(|_| synchronous && setup.backend != Backend::Tracepoint);
        return [Field::Absent, error.map_or(Field::Absent, Field::Is)];
    }
    match (&attempt.fate, error) {
        (Fate::Established, _) => word("ok"),
        (Fate::Pending, _) => word("pending"),
        // Nobody can read the socket's error without BTF. What connect(2) returned is the error;
        // otherwise a close cannot be told from a failure.
        (_, Some(error)) if setup.classic && attempt.told && sees_returns(setup, attempt) => errno(error),
        _ if setup.classic => [Field::OneOf(vec!["closed".to_owned(), "failed".to_owned()]), Field::Absent],
        (Fate::Closed, _) => word("closed"),
        // Nothing but the return value tells this from a close.
        (Fate::NoPort(_), _) if setup.backend == Backend::Tracepoint && !sees_returns(setup, attempt) => word("closed"),
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
    match mode.waits() && attempt.fate != Fate::Pending {
        true if sent_syn => Field::Is(()),
        // Without BTF nobody can tell whether a SYN was sent.
        true if setup.classic => Field::Perhaps(()),
        _ => Field::Absent,
    }
}
