//! Outcomes and latencies that are counted: what is printed then is held to how many attempts were made.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use libtest_mimic::Trial;

use super::compare::TcpConnect;
use super::loads::FLOOD_ATTEMPTS;
use crate::common::backend::Backend;
use crate::common::counting::all;
use crate::common::counting::counted;
use crate::common::counting::objects;
use crate::common::counting::sum;
use crate::common::flood;

pub fn trials(backend: Backend) -> Vec<Trial> {
    let bodies: &[(&str, flood::Body)] =
        &[("ends", ends), ("by-result", by_result), ("histogram", histogram), ("table-of-ends", table_of_ends)];
    flood::trials::<TcpConnect>(backend, "counting", bodies)
}

/// By the key of bcc's, which is one group.
fn ends(backend: Backend) -> Result<()> {
    let (_, output) = counted::<TcpConnect>(backend, &["-c", "--json"])?;
    let groups = objects::<TcpConnect>(&output, "group")?;
    let [group] = &groups[..] else { anyhow::bail!("not one group: {groups:?}") };
    ensure!(group["saddr"] == "127.0.0.1" && group["daddr"] == "127.0.0.1" && group["dport"].is_u64(), "{group}");
    ensure!(group.get("pid").is_none(), "a field that it is not counted by: {group}");
    Ok(())
}

fn table_of_ends(backend: Backend) -> Result<()> {
    let (_, output) = counted::<TcpConnect>(backend, &["--count"])?;
    let cells = output.stdout.iter().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect::<Vec<_>>();
    let [header, row] = &cells[..] else { anyhow::bail!("not a header and a row: {:?}", output.stdout) };
    ensure!(header == &["SADDR", "DADDR", "DPORT", "CONNECTS"], "{header:?}");
    ensure!(row[..2] == ["127.0.0.1", "127.0.0.1"], "{row:?}");
    Ok(())
}

fn by_result(backend: Backend) -> Result<()> {
    let options = ["--outcome", "--by", "comm,result", "--quantiles", "latency_ns", "--sum", "latency_ns", "--json"];
    let (_, output) = counted::<TcpConnect>(backend, &options)?;
    let groups = objects::<TcpConnect>(&output, "group")?;
    all::<TcpConnect>(sum(&groups, "count"))?;
    let group = groups.iter().find(|group| group["result"] == "ECONNREFUSED").context("none was refused")?;
    let [p50, p90, p99, max] = ["p50", "p90", "p99", "max"].map(|name| group[format!("{name}_latency_ns")].as_u64());
    ensure!(p50 > Some(0) && p50 <= p90 && p90 <= p99 && p99 <= max, "{group}");
    let total = group["sum_latency_ns"].as_u64().context("no sum")?;
    ensure!(Some(total) >= max && total <= max.unwrap_or(0) * FLOOD_ATTEMPTS, "{group}");
    Ok(())
}

fn histogram(backend: Backend) -> Result<()> {
    let (_, output) = counted::<TcpConnect>(backend, &["--outcome", "--hist", "latency_ns", "--json"])?;
    let histograms = objects::<TcpConnect>(&output, "histogram")?;
    let [histogram] = &histograms[..] else { anyhow::bail!("not one histogram: {histograms:?}") };
    let buckets = histogram["buckets"].as_array().context("no buckets")?;
    let counts = buckets.iter().filter_map(|bucket| bucket[2].as_u64()).sum::<u64>();
    ensure!(histogram["count"] == counts && counts <= FLOOD_ATTEMPTS, "{histogram}");
    // In a form that cannot tell every latency a few may be missing.
    ensure!(counts >= FLOOD_ATTEMPTS * 9 / 10, "{histogram}");
    let (first, last) = (buckets.first().context("empty")?, buckets.last().context("empty")?);
    ensure!(first[2] != 0 && last[2] != 0, "an empty bucket at an end: {histogram}");
    let max = histogram["max"].as_u64().context("no max")?;
    ensure!((last[0].as_u64()..=last[1].as_u64()).contains(&Some(max)), "{histogram}");
    Ok(())
}
