//! The kernel may skip a program (see "skipped" in the manual page's table). It is rare and nobody's fault: another run
//! then shows what is right. Where it skipped none, wrong is wrong.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use super::run::Run;
use super::setup::Setup;
use super::subject::Subject;

/// Runs to look at, as long as each tells of skips, before what is wrong is wrong.
pub const RUNS: usize = 4;

static REPEATED: AtomicU64 = AtomicU64::new(0);

/// A run is made once more: what of, and what the tool said.
pub fn tell(what: &str, told: &str) {
    REPEATED.fetch_add(1, Ordering::Relaxed);
    eprintln!("repeated: {what}: {told}");
}

/// How many were, by this test program.
pub fn count() -> u64 {
    REPEATED.load(Ordering::Relaxed)
}

/// What the tool says of skips in the run, if another one is to be judged. A loss is one's own fault where no skip can
/// cause it.
pub fn reason<S: Subject>(setup: Setup, run: &Run<S::Deed>) -> Option<&str> {
    match run.told_loss() {
        Some(told) if S::may_lose(setup) && told.contains("ring buffer full: 0, map full: 0") => Some(told),
        Some(_) => None,
        None => run.told_skips(),
    }
}
