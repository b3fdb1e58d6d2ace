//! What the tests of a tool add to what those of all tools share.

use std::fmt::Debug;
use std::fmt::Display;

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
    type Deed: Deed;
    type Expected;

    fn modes() -> Vec<&'static Mode>;

    /// What the row is to be; `None` if there is to be none.
    fn expected(setup: Setup, mode: &Mode, deed: &Self::Deed) -> Option<Self::Expected>;

    /// Every field that is not what it is to be.
    fn differing(mode: &Mode, deed: &Self::Deed, expected: &Self::Expected, row: &Row) -> Vec<String>;
}
