//! Holds rows to attempts. Each attempt takes a row that is all that it is to be, or else the one
//! that differs least; every difference is named, and so is every row that is left over.

use std::fmt::Debug;

use super::attempt::Attempt;
use super::attempt::Thread;
use super::differences::Expected;
use super::differences::Field;
use super::differences::Setup;
use super::differences::expected;
use super::machine;
use super::mode::Format;
use super::mode::Mode;
use super::row::Row;

/// How far the tool's idea of wall time may be from ours: clocks are read one after the other.
const WALL_TOLERANCE_NS: u64 = 20_000_000;

/// How far the boot clock of BPF programs, which never waits, may be from ours: under emulation it
/// was once 0.5 ms off. Natively a table's rounding to microseconds is all.
pub fn clock_tolerance_ns() -> u64 {
    if machine::name().is_empty() { 1_000 } else { 1_000_000 }
}

/// What is wrong with the rows of one case; nothing, if all is right.
pub fn case(setup: Setup, mode: &Mode, attempts: &[&Attempt], rows: &[&Row]) -> Vec<String> {
    let mut left = rows.to_vec();
    let mut unmatched = Vec::new();
    for attempt in attempts {
        let expected = expected(setup, mode, attempt);
        let is_right = |row: &&Row| differing(mode, attempt, &expected, row).is_empty();
        match left.iter().position(is_right) {
            _ if !expected.row => {}
            Some(at) => drop(left.remove(at)),
            None => unmatched.push((attempt, expected)),
        }
    }
    // What has no row that is right takes one that is not very wrong, so that one sees the fault.
    let mut wrong = Vec::new();
    for (attempt, expected) in &unmatched {
        let candidates = left.iter().enumerate().map(|(at, row)| (at, differing(mode, attempt, expected, row)));
        match candidates.min_by_key(|(_, differing)| differing.len()) {
            Some((at, differing)) => {
                let row = left.remove(at);
                wrong.push(format!("{}\n    {}\n  for {attempt}", row.line, differing.join("\n    ")));
            }
            None => wrong.push(format!("no row for {attempt}")),
        }
    }
    wrong.extend(left.iter().map(|row| format!("a row too many: {}", row.line)));
    wrong
}

/// Whether a row can be one of this case's: by process, or by destination for a kernel thread's.
pub fn belongs(row: &Row, pids: &[u32], attempts: &[&Attempt]) -> bool {
    pids.contains(&row.pid)
        || attempts.iter().any(|attempt| match attempt.thread {
            Thread::Kernel => row.dport == attempt.dport && row.daddr == attempt.daddr,
            _ => row.pid == attempt.pid,
        })
}

/// Every field that is not what it is to be.
fn differing(mode: &Mode, attempt: &Attempt, expected: &Expected, row: &Row) -> Vec<String> {
    let mut wrong = Differing(Vec::new());
    wrong.identity(mode, attempt, row);
    wrong.time(attempt, row);
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
        wrong.latency(attempt, expected, row);
    }
    wrong.0
}

struct Differing(Vec<String>);

impl Differing {
    fn is<T: PartialEq + Debug>(&mut self, name: &str, wanted: &T, got: &T) {
        if wanted != got {
            self.0.push(format!("{name} is {got:?}, not {wanted:?}"));
        }
    }

    fn field<T: PartialEq + Debug>(&mut self, name: &str, wanted: &Field<T>, got: Option<T>) {
        let right = match (wanted, &got) {
            (Field::Is(wanted), Some(got)) => wanted == got,
            (Field::Perhaps(wanted), Some(got)) => wanted == got,
            (Field::OneOf(wanted), Some(got)) => wanted.contains(got),
            (Field::Absent | Field::Perhaps(_), None) => true,
            (Field::Absent, Some(_)) | (Field::Is(_) | Field::OneOf(_), None) => false,
        };
        if !right {
            self.0.push(format!("{name} is {got:?}, not {wanted:?}"));
        }
    }

    fn within(&mut self, name: &str, range: std::ops::RangeInclusive<u64>, got: u64) {
        if !range.contains(&got) {
            self.0.push(format!("{name} is {got}, not within {range:?}"));
        }
    }

    fn identity(&mut self, mode: &Mode, attempt: &Attempt, row: &Row) {
        let own_process = attempt.thread != Thread::Kernel;
        if own_process {
            self.is("pid", &attempt.pid, &row.pid);
            if let Some(uid) = row.uid {
                self.is("uid", &attempt.uid, &uid);
            }
        }
        if let Thread::Known { comm, .. } = &attempt.thread {
            self.is("comm", &shown_name(mode.format, comm), &row.comm);
        }
        if attempt.thread == Thread::Kernel && row.pid == attempt.pid {
            self.0.push(format!("pid is {}, which left it to the kernel", row.pid));
        }
        if attempt.thread == Thread::Worker && !row.comm.starts_with("iou-wrk-") {
            self.0.push(format!("comm is {:?}, not a worker's", row.comm));
        }
        if mode.format == Format::Text {
            return;
        }
        match (&attempt.thread, row.tid) {
            (Thread::Known { tid, .. }, Some(got)) => self.is("tid", tid, &got),
            (Thread::Worker, Some(got)) if got == attempt.pid => {
                self.0.push(format!("tid is {got}, the process's own, not a worker's"));
            }
            (_, Some(_)) => {}
            (_, None) => self.0.push("tid is absent".to_owned()),
        }
        if row.uid.is_none() {
            self.0.push("uid is absent".to_owned());
        }
        if let Some(cgroup_id) = attempt.cgroup_id.filter(|_| own_process) {
            self.is("cgroup_id", &Some(cgroup_id), &row.cgroup_id);
        }
    }

    /// Of the attempt, in every mode; not of its outcome.
    fn time(&mut self, attempt: &Attempt, row: &Row) {
        let (from, to) = (attempt.began.real_ns, attempt.returned.real_ns);
        let wide = from - WALL_TOLERANCE_NS..=to + WALL_TOLERANCE_NS;
        if let Some(ts) = row.ts {
            self.within("ts", wide.clone(), ts);
        }
        if let Some(time) = row.time_of_day {
            let seconds = |ns| ns / 1_000_000_000 % 86_400;
            let (from, to) = (seconds(*wide.start()), seconds(*wide.end()));
            // Midnight may lie between.
            if !(from..=to).contains(&time) && !(from > to && (time >= from || time <= to)) {
                self.0.push(format!("TIME is {time} s, not within {from}..={to}"));
            }
        }
    }

    fn latency(&mut self, attempt: &Attempt, expected: &Expected, row: &Row) {
        self.field("latency", &expected.latency, row.latency_ns.map(|_| ()));
        if let Some(latency) = row.latency_ns {
            let longest = attempt.over_ns - attempt.began.boot_ns;
            let shortest = attempt.took_at_least_ns.saturating_sub(clock_tolerance_ns());
            self.within("latency_ns", shortest..=longest + clock_tolerance_ns(), latency);
            if row.ts.is_some() && latency == 0 {
                self.0.push("latency_ns is 0".to_owned());
            }
        }
    }
}

/// A name as the contract shows it: here once more, so that the tool's own code is not its judge.
fn shown_name(format: Format, comm: &[u8]) -> String {
    match format {
        Format::Json => String::from_utf8_lossy(comm).into_owned(),
        Format::Text => comm.iter().fold(String::new(), |shown, &byte| match byte {
            b'\\' => shown + "\\\\",
            0x20..=0x7e => shown + &(byte as char).to_string(),
            _ => shown + &format!("\\x{byte:02x}"),
        }),
    }
}
