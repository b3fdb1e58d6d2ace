//! Holds rows to deeds. Each deed takes a row that is all that it is to be, or else the one that
//! differs least; every difference is named, and so is every row that is left over.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::doer::Doer;
use super::doer::Moment;
use super::doer::Thread;
use super::machine;
use super::mode::Format;
use super::mode::Mode;
use super::row::Row;
use super::setup::Setup;
use super::subject::Deed;
use super::subject::Subject;

/// How far the tool's idea of wall time may be from ours: clocks are read one after the other.
const WALL_TOLERANCE_NS: u64 = 20_000_000;

/// How far wall time may run back from one row to the next: the tool asks for it again and again.
fn order_tolerance_ns() -> u64 {
    if machine::is_ours_alone() { WALL_TOLERANCE_NS } else { 1_000_000 }
}

/// How far the boot clock of BPF programs, which never waits, may be from ours: under emulation it
/// was once 0.5 ms off. Natively a table's rounding to microseconds is all.
pub fn clock_tolerance_ns() -> u64 {
    if machine::is_ours_alone() { 1_000_000 } else { 1_000 }
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

/// What is wrong with the rows of one case; nothing, if all is right.
pub fn case<S: Subject>(setup: Setup, mode: &Mode, deeds: &[&S::Deed], rows: &[&Row]) -> Vec<String> {
    // Of several rows that are right for a deed, the earliest is the earliest deed's.
    let mut deeds = deeds.to_vec();
    deeds.sort_by_key(|deed| deed.by().began.boot_ns);
    let mut left = rows.to_vec();
    left.sort_by_key(|row| row.ts());
    let (mut matched, mut unmatched) = (Vec::new(), Vec::new());
    for deed in deeds {
        let Some(expected) = S::expected(setup, mode, deed) else { continue };
        let is_right = |row: &&Row| S::differing(mode, deed, &expected, row).is_empty();
        match left.iter().position(is_right) {
            Some(at) => matched.push((deed.by(), left.remove(at))),
            None => unmatched.push((deed, expected)),
        }
    }
    let mut wrong = out_of_order(&matched);
    // What has no row that is right takes one that is not very wrong, so that one sees the fault.
    for (deed, expected) in &unmatched {
        let candidates = left.iter().enumerate().map(|(at, row)| (at, S::differing(mode, deed, expected, row)));
        match candidates.min_by_key(|(_, differing)| differing.len()) {
            Some((at, differing)) => {
                let row = left.remove(at);
                wrong.push(format!("{}\n    {}\n  for {deed}", row.line, differing.join("\n    ")));
            }
            None => wrong.push(format!("no row for {deed}")),
        }
    }
    wrong.extend(left.iter().map(|row| format!("a row too many: {}", row.line)));
    wrong
}

/// A thread does one thing after the other, and so say the times of its rows, however close they are.
fn out_of_order(matched: &[(&Doer, &Row)]) -> Vec<String> {
    let mut last = BTreeMap::new();
    let mut wrong = Vec::new();
    for (by, row) in matched {
        let (Thread::Known { tid, .. }, Some(ts)) = (&by.thread, row.ts()) else { continue };
        if let Some(before) = last.insert(tid, ts).filter(|&before| before > ts + order_tolerance_ns()) {
            wrong.push(format!("{}\n    ts is {} ns before that of what was done earlier", row.line, before - ts));
        }
    }
    wrong
}

#[derive(Default)]
pub struct Differing(Vec<String>);

impl Differing {
    /// All that was found.
    pub fn all(self) -> Vec<String> {
        self.0
    }

    pub fn wrong(&mut self, what: impl Into<String>) {
        self.0.push(what.into());
    }

    pub fn is<T: PartialEq + Debug>(&mut self, name: &str, wanted: &T, got: &T) {
        if wanted != got {
            self.0.push(format!("{name} is {got:?}, not {wanted:?}"));
        }
    }

    pub fn field<T: PartialEq + Debug>(&mut self, name: &str, wanted: &Field<T>, got: Option<T>) {
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

    pub fn within(&mut self, name: &str, range: std::ops::RangeInclusive<u64>, got: u64) {
        if !range.contains(&got) {
            self.0.push(format!("{name} is {got}, not within {range:?}"));
        }
    }

    pub fn identity(&mut self, format: Format, by: &Doer, row: &Row) {
        let own_process = by.thread != Thread::Kernel;
        let (pid, uid) = (row.pid(), row.number::<u32>("uid"));
        let comm = row.text("comm").unwrap_or_default();
        if own_process {
            self.is("pid", &Some(by.pid), &pid);
            if let Some(uid) = uid {
                self.is("uid", &by.uid, &uid);
            }
        }
        if let Thread::Known { comm: wanted, .. } = &by.thread {
            self.is("comm", &shown_name(format, wanted), &comm.to_owned());
        }
        if pid.is_none() {
            self.0.push("pid is absent".to_owned());
        }
        // An empty cell of CSV may be an empty name.
        if !row.has("comm") && format != Format::Csv {
            self.0.push("comm is absent".to_owned());
        }
        if by.thread == Thread::Kernel && pid == Some(by.pid) {
            self.0.push(format!("pid is {}, which left it to the kernel", by.pid));
        }
        if by.thread == Thread::Worker && !comm.starts_with("iou-wrk-") {
            self.0.push(format!("comm is {comm:?}, not a worker's"));
        }
        if format != Format::Json {
            return;
        }
        match (&by.thread, row.number::<u32>("tid")) {
            (Thread::Known { tid, .. }, Some(got)) => self.is("tid", tid, &got),
            (Thread::Worker, Some(got)) if got == by.pid => {
                self.0.push(format!("tid is {got}, the process's own, not a worker's"));
            }
            (_, Some(_)) => {}
            (_, None) => self.0.push("tid is absent".to_owned()),
        }
        if uid.is_none() {
            self.0.push("uid is absent".to_owned());
        }
        if let Some(cgroup_id) = by.cgroup_id.filter(|_| own_process) {
            self.is("cgroup_id", &Some(cgroup_id), &row.number("cgroup_id"));
        }
    }

    /// When it was done, in every mode; not when it was over. `latest` by the boot clock, in nanoseconds.
    pub fn time(&mut self, by: &Doer, latest: u64, row: &Row) {
        let Moment { boot_ns, real_ns } = by.began;
        let wide = real_ns - WALL_TOLERANCE_NS..=real_ns + latest.saturating_sub(boot_ns) + WALL_TOLERANCE_NS;
        if let Some(ts) = row.ts() {
            self.within("ts", wide.clone(), ts);
        }
        if let Some(time) = row.time_of_day() {
            let seconds = |ns| ns / 1_000_000_000 % 86_400;
            let (from, to) = (seconds(*wide.start()), seconds(*wide.end()));
            // Midnight may lie between.
            if !(from..=to).contains(&time) && !(from > to && (time >= from || time <= to)) {
                self.0.push(format!("TIME is {time} s, not within {from}..={to}"));
            }
        }
    }
}

/// A name as the contract shows it: here once more, so that the tool's own code is not its judge.
fn shown_name(format: Format, comm: &[u8]) -> String {
    let escaped = |first: u8| {
        comm.iter().fold(String::new(), |shown, &byte| match byte {
            b'\\' => shown + "\\\\",
            _ if (first..=0x7e).contains(&byte) => shown + &(byte as char).to_string(),
            _ => shown + &format!("\\x{byte:02x}"),
        })
    };
    match format {
        Format::Json => String::from_utf8_lossy(comm).into_owned(),
        Format::Csv => escaped(b' '),
        Format::Text if comm.is_empty() => "-".to_owned(),
        Format::Text if comm == b"-" => "\\x2d".to_owned(),
        Format::Text => escaped(b'!'),
    }
}
