//! Whether rows, losses and what is pending add up.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use super::mode::Format;
use super::mode::Mode;
use super::run::Run;
use super::setup::Setup;
use super::subject::Pending;
use super::subject::Subject;

/// `made` of the deeds that the run is to show were pending at its end. `alone`: nobody else's can be among those
/// that the tool counts.
pub fn add_up<S: Subject>(setup: Setup, mode: &Mode, run: &Run<S::Deed>, made: u64, alone: bool) -> Result<()> {
    if let Some(told) = run.told_loss() {
        ensure!(S::may_lose(setup), "nothing was to be lost: {told}");
        ensure!(told.contains("ring buffer full: 0, map full: 0"), "stderr: {told}");
    }
    if let Some(told) = run.told_skips() {
        ensure!(S::may_skip(setup, mode, &run.deeds), "nothing was to be skipped: {told}");
    }
    if mode.format == Format::Json {
        let pending = S::pending(setup, mode, made);
        json::<S>(mode, run, *pending.start(), *pending.end(), alone)?;
    }
    Ok(())
}

fn json<S: Subject>(mode: &Mode, run: &Run<S::Deed>, least: u64, most: u64, alone: bool) -> Result<()> {
    let last = run.losses.last().context("no object at the end")?;
    ensure!(last.end && run.losses.iter().filter(|object| object.end).count() == 1, "one end, and it is last");
    ensure!(last.lost == last.half, "lost {}, of which half seen {}", last.lost, last.half);
    ensure!((last.lost > 0) == run.told_loss().is_some(), "lost {}, told {:?}", last.lost, run.told_loss());
    ensure!((last.skipped > 0) == run.told_skips().is_some(), "skipped {}, told {:?}", last.skipped, run.told_skips());

    // What is printed is what is counted.
    let (rows, pending) = (last.rows.unwrap_or_default(), last.pending.context("pending is not told")?);
    let printed = run.rows.len() as u64;
    let shown = S::shows_pending(mode);
    let printed_pending = if matches!(shown, Pending::Counted) { 0 } else { pending };
    ensure!(rows + printed_pending == printed, "{rows} rows, {pending} pending, {printed} printed");
    if let Pending::Named(is_named) = shown {
        let named = run.rows.iter().filter(|row| is_named(row)).count() as u64;
        ensure!(pending == named, "{pending} pending, {named} shown as such");
    }

    // What is counted is what was done.
    let most = if alone || !S::waits(mode) { most } else { u64::MAX };
    ensure!((least..=most).contains(&pending), "{pending} pending, not {least} to {most}");
    Ok(())
}
