//! What the tests of a tool add to what those of all tools share.

use std::fmt::Debug;
use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;

use super::doer::Doer;
use super::mode::Mode;
use super::row::Row;
use super::scenario::case::Case;
use super::setup::Setup;

/// What a case does and tells, and what the tool may have a row for.
pub trait Deed: Clone + Debug + Display + DeserializeOwned + Send + Sync + 'static {
    fn by(&self) -> &Doer;

    /// Whether its end was still open when the tool was stopped.
    fn is_pending(&self) -> bool {
        false
    }

    /// Whether a row can be about it, as far as one sees without looking closer.
    fn may_be(&self, row: &Row) -> bool {
        row.pid == self.by().pid
    }
}

pub trait Subject: 'static {
    const TOOL: &'static str;
    /// The matrix plays all of them, in each of the modes.
    const CASES: &'static [Case];
    /// Played by name, and no part of the matrix.
    const LOADS: &'static [Case];
    type Deed: Deed;
    type Expected;

    fn modes() -> Vec<&'static Mode>;

    /// What the row is to be; `None` if there is to be none.
    fn expected(setup: Setup, mode: &Mode, deed: &Self::Deed) -> Option<Self::Expected>;

    /// The port of the row that the case chose.
    fn own_port(row: &Row) -> Option<u16>;

    /// Whether the kernel may skip a program in a run in which these are done.
    fn may_skip(setup: Setup, mode: &Mode, deeds: &[Self::Deed]) -> bool;

    /// Whether a row may be lost with it, of which only one half is seen then.
    fn may_lose(setup: Setup) -> bool;

    /// How many deeds are to be counted as pending at the end; `made` were.
    fn pending(setup: Setup, mode: &Mode, made: u64) -> RangeInclusive<u64>;

    /// Every field that is not what it is to be.
    fn differing(mode: &Mode, deed: &Self::Deed, expected: &Self::Expected, row: &Row) -> Vec<String>;
}
