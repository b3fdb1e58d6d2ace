//! More connections are open at once than there is room for.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use libtest_mimic::Trial;

use super::cases::HELD_OPEN;
use super::ended::Ended;
use super::expected::TcpLife;
use super::loads::OPEN;
use crate::common::backend::Backend;
use crate::common::mode::Format;
use crate::common::run;
use crate::common::subject::Subject;

pub fn trials(backend: Backend) -> Vec<Trial> {
    let name = format!("tcplife/{}/full-map", backend.name());
    vec![Trial::test(name, move || full_map(backend).map_err(|error| format!("{error:#}").into()))]
}

/// Each of them has its row, but of some it says less, and that is counted.
fn full_map(backend: Backend) -> Result<()> {
    let run = run::play::<Ended>(&[HELD_OPEN], Format::Json, |_| {
        ["tcplife", "--json", "--backend", backend.name(), "--max-in-flight", "1"].map(str::to_owned).to_vec()
    })?;
    let ours = run.rows.iter().filter(|row| TcpLife::own_port(row).is_some());
    let (seen, unseen) = ours.partition::<Vec<_>, _>(|row| row.flag("opened") == Some(true));
    ensure!(seen.len() + unseen.len() == 2 * OPEN as usize, "{} and {} rows", seen.len(), unseen.len());
    ensure!(unseen.iter().all(|row| !row.has("duration_ns")), "a duration of what was not seen to begin");
    let told =
        run.output.stderr.iter().find(|line| line.contains("rows say less")).context("nothing is said of that")?;
    ensure!(!unseen.is_empty() && !told.contains(": 0 rows"), "{} rows without their beginning, {told}", unseen.len());
    Ok(())
}
