//! What the tests of a tool add to what those of all tools share.

use std::fmt::Debug;
use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use anyhow::Result;
use anyhow::ensure;
use libtest_mimic::Trial;
use serde::de::DeserializeOwned;

use super::backend::Backend;
use super::doer::Doer;
use super::flood::Flood;
use super::mode::Format;
use super::mode::Mode;
use super::row::Row;
use super::run;
use super::scenario::case::Case;
use super::setup::Setup;
use super::surroundings::Absent;
use super::tool::Output;

/// What a case does and tells, and what the tool may have a row for.
pub trait Deed: Clone + Debug + Display + DeserializeOwned + Send + Sync + 'static {
    const TOOL: &'static str;

    fn by(&self) -> &Doer;

    /// The version of IP.
    fn ip(&self) -> u8;

    /// The port that `-P` looks at, if it had one.
    fn port(&self) -> Option<u16>;

    /// Whether `-P` means it by this port.
    fn has_port(&self, port: u16) -> bool {
        self.port() == Some(port)
    }

    /// The addresses of the other end and of this one, as far as they were known when it was done.
    fn remote(&self) -> Option<IpAddr>;
    fn local(&self) -> Option<IpAddr>;

    /// Whether its end was still open when the tool was stopped.
    fn is_pending(&self) -> bool {
        false
    }

    /// Whether a row can be about it, as far as one sees without looking closer.
    fn may_be(&self, row: &Row) -> bool {
        row.pid() == Some(self.by().pid)
    }
}

/// How a mode shows what is pending when a run ends.
pub enum Pending {
    /// It is counted alone.
    Counted,
    /// By rows that are like others.
    Rows,
    /// By rows that say so.
    Named(fn(&Row) -> bool),
}

pub trait Subject: 'static {
    const TOOL: &'static str = <Self::Deed as Deed>::TOOL;
    /// All of them are played in each of the modes (`every_case`).
    const CASES: &'static [Case];
    /// Played by name alone, never by `every_case`.
    const LOADS: &'static [Case];
    /// Cases that differ in all that filters look at: three ports and more, of which the first three by IPv4 and IPv6,
    /// another user, another thread, and another network namespace as the last.
    const FILTERED: &'static [&'static str];
    /// The options that filter by the addresses of the two ends.
    const REMOTE: &'static str;
    const LOCAL: &'static str;
    /// One of the loads, for the trials that all tools share.
    const FLOOD: Flood;
    type Deed: Deed;
    type Expected;

    /// The first is the plainest, in JSON; the last the richest. A machine may play these two alone.
    fn modes() -> Vec<&'static Mode>;

    /// What the row is to be; `None` if there is to be none.
    fn expected(setup: Setup, mode: &Mode, deed: &Self::Deed) -> Option<Self::Expected>;

    /// Every field that is not what it is to be.
    fn differing(mode: &Mode, deed: &Self::Deed, expected: &Self::Expected, row: &Row) -> Vec<String>;

    /// The port of the row that the case chose.
    fn own_port(row: &Row) -> Option<u16>;

    /// Whether the kernel may skip a program in a run in which these are done.
    fn may_skip(setup: Setup, mode: &Mode, deeds: &[Self::Deed]) -> bool;

    /// Whether a row may be lost with it, of which only one half is seen then.
    fn may_lose(setup: Setup) -> bool;

    /// Whether rows wait for the end of what they are about.
    fn waits(_mode: &Mode) -> bool {
        false
    }

    /// How many deeds are to be counted as pending at the end; `made` were.
    fn pending(_setup: Setup, _mode: &Mode, _made: u64) -> RangeInclusive<u64> {
        0..=0
    }

    fn shows_pending(_mode: &Mode) -> Pending {
        Pending::Rows
    }

    /// Asks for each difference of the manual page's table that a row of some deed, machine and mode may need.
    fn ask_for_differences();

    /// Its own trials of what the kernel does to programs on a busy machine.
    fn trials_under_load(_backend: Backend) -> Vec<Trial> {
        Vec::new()
    }

    /// Its own trials of a backend that works, besides those that all tools have.
    fn trials(_backend: Backend) -> Vec<Trial> {
        Vec::new()
    }

    /// The options by which it shows what this process does, and nobody else.
    fn only(pid: u32) -> Vec<String> {
        vec!["-p".to_owned(), pid.to_string()]
    }

    /// Functions that a kernel may not have.
    const ABSENT: &'static [Absent] = &[];

    /// Options by which a run of this backend takes a readable tracefs, if any do.
    fn takes_tracefs(_backend: Backend) -> &'static [&'static str] {
        &[]
    }

    /// What is printed in JSON of a connection to oneself by each of these IP versions is what is to be.
    fn shows_connections(output: &Output, versions: &[u8]) -> Result<()> {
        let (rows, _) = run::read(Self::TOOL, Format::Json, &output.stdout)?;
        let shown = rows.iter().map(|row| row.number("ip").unwrap_or_default()).collect::<Vec<u8>>();
        ensure!(shown == versions, "rows of IP {shown:?}, not {versions:?}; {}", output.stderr.join("\n"));
        Ok(())
    }
}
