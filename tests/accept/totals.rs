//! Rows and losses add up to what was accepted, whatever happens.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use libtest_mimic::Completion;
use libtest_mimic::Trial;

use super::accepted::Accepted;
use super::cases::CONTENDED;
use super::cases::FLOOD;
use super::cases::SNATCHED;
use super::expected::may_be_skipped;
use super::expected::may_be_snatched;
use super::loads::CONNECTIONS;
use crate::common::backend::Backend;
use crate::common::message::Verdict;
use crate::common::mode::Format;
use crate::common::run;

struct Total {
    load: &'static str,
    /// Whether the kernel may fail to show a connection, which is then counted where it tells.
    may_miss: fn(Backend) -> bool,
}

const TOTALS: &[Total] = &[
    Total { load: FLOOD, may_miss: may_be_skipped },
    Total { load: CONTENDED, may_miss: may_be_skipped },
    Total { load: SNATCHED, may_miss: |backend| may_be_snatched(backend) | may_be_skipped(backend) },
];

pub fn trials(backend: Backend) -> Vec<Trial> {
    let trial = |total: &'static Total| {
        let name = format!("tcpaccept/{}/endings/{}", backend.name(), total.load);
        Trial::ignorable_test(name, move || adds_up(backend, total).map_err(|error| format!("{error:#}").into()))
    };
    TOTALS.iter().map(trial).collect()
}

fn adds_up(backend: Backend, total: &Total) -> Result<Completion> {
    let run = run::play::<Accepted>(&[total.load], Format::Json, |scenario| {
        let pid = scenario.pid(total.load).to_string();
        ["tcpaccept", "--json", "--backend", backend.name(), "-p", &pid].map(str::to_owned).to_vec()
    })?;
    match &run.verdicts[..] {
        [(_, Verdict::Done)] => {}
        [(_, Verdict::Skipped(why))] => return Ok(Completion::ignored_with(format!("skipped: {why}"))),
        other => anyhow::bail!("the scenario: {other:?}"),
    }
    let end = run.losses.last().context("no object at the end")?;
    let rows = run.rows.len() as u64;
    end.account_for(CONNECTIONS, rows)?;
    ensure!(
        (total.may_miss)(backend) || end.half + end.skipped == 0,
        "{} half seen, {} skipped",
        end.half,
        end.skipped
    );
    ensure!(end.lost == end.half, "{} lost, of which half seen {}", end.lost, end.half);
    Ok(Completion::Completed)
}
