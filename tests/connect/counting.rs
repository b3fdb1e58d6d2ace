//! Rows that are counted, and fields that are chosen: what is printed then is held to how many attempts
//! were made.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use libtest_mimic::Trial;
use serde_json::Value;

use super::attempt::Attempt;
use super::cases::FLOOD;
use super::endings::args;
use super::endings::play;
use super::loads::FLOOD_ATTEMPTS;
use crate::common::backend::Backend;
use crate::common::run;
use crate::common::tool::Output;
use crate::common::tool::Tool;

type Scenario = run::Scenario<Attempt>;
type Body = fn(Backend) -> Result<()>;

const TRIALS: &[(&str, Body)] = &[
    ("count", count),
    ("by-result", by_result),
    ("histogram", histogram),
    ("intervals", intervals),
    ("other", other),
    ("table", table),
    ("fields", fields),
    ("csv", csv),
];

pub fn trials(backend: Backend) -> Vec<Trial> {
    let trial = |&(name, body): &(&str, Body)| {
        let name = format!("tcpconnect/{}/endings/{name}", backend.name());
        Trial::test(name, move || body(backend).map_err(|error| format!("{error:#}").into()))
    };
    TRIALS.iter().map(trial).collect()
}

/// A flood under the tool, and what it printed; the scenario's process and its output.
fn flood(backend: Backend, more: &[&str]) -> Result<(String, Output)> {
    let scenario = Scenario::prepare(&[FLOOD])?;
    let pid = scenario.pid(FLOOD).to_string();
    let tool = Tool::start(&args(backend, &pid, &[&["--buffer-size", "4M"], more].concat()))?;
    let output = play(tool, scenario)?.stop()?;
    ensure!(output.status.success(), "{}\n{}", output.status, output.stderr.join("\n"));
    Ok((pid, output))
}

/// The objects of a kind; and of all of them, the last, which says what was lost, must say nothing was.
fn objects(output: &Output, kind: &str) -> Result<Vec<Value>> {
    let all = output.stdout.iter().map(|line| serde_json::from_str(line).context(line.clone()));
    let all = all.collect::<Result<Vec<Value>>>()?;
    let end = all.last().context("nothing was printed")?;
    ensure!(end["kind"] == "losses" && end["end"] == true && end["lost"] == 0, "the end is {end}");
    ensure!(end["rows"] == FLOOD_ATTEMPTS, "the end is {end}");
    Ok(all.into_iter().filter(|object| object["kind"] == kind).collect())
}

fn sum(groups: &[Value], key: &str) -> u64 {
    groups.iter().filter_map(|group| group[key].as_u64()).sum()
}

fn count(backend: Backend) -> Result<()> {
    let groups = objects(&flood(backend, &["-c", "--json"])?.1, "group")?;
    let [group] = &groups[..] else { anyhow::bail!("not one group: {groups:?}") };
    ensure!(group["count"] == FLOOD_ATTEMPTS && group["daddr"] == "127.0.0.1", "{group}");
    ensure!(group["saddr"] == "127.0.0.1" && group["dport"].is_u64() && group["interval_ns"].is_u64(), "{group}");
    ensure!(group.get("pid").is_none(), "a field that it is not counted by: {group}");
    Ok(())
}

fn by_result(backend: Backend) -> Result<()> {
    let options = ["--outcome", "--by", "comm,result", "--quantiles", "latency_ns", "--sum", "latency_ns", "--json"];
    let groups = objects(&flood(backend, &options)?.1, "group")?;
    ensure!(sum(&groups, "count") == FLOOD_ATTEMPTS, "{groups:?}");
    let group = groups.iter().find(|group| group["result"] == "ECONNREFUSED").context("none was refused")?;
    let [p50, p90, p99, max] = ["p50", "p90", "p99", "max"].map(|name| group[format!("{name}_latency_ns")].as_u64());
    ensure!(p50 > Some(0) && p50 <= p90 && p90 <= p99 && p99 <= max, "{group}");
    let total = group["sum_latency_ns"].as_u64().context("no sum")?;
    ensure!(Some(total) >= max && total <= max.unwrap_or(0) * FLOOD_ATTEMPTS, "{group}");
    Ok(())
}

fn histogram(backend: Backend) -> Result<()> {
    let histograms = objects(&flood(backend, &["--outcome", "--hist", "latency_ns", "--json"])?.1, "histogram")?;
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

/// Each interval begins anew, so all of them together have every attempt once.
fn intervals(backend: Backend) -> Result<()> {
    let groups = objects(&flood(backend, &["-c", "-i", "0.05", "--json"])?.1, "group")?;
    ensure!(sum(&groups, "count") == FLOOD_ATTEMPTS, "{groups:?}");
    Ok(())
}

/// More groups than there may be are one, which is said.
fn other(backend: Backend) -> Result<()> {
    let (_, output) = flood(backend, &["-L", "--by", "sport", "--max-groups", "10", "--json"])?;
    let groups = objects(&output, "group")?;
    ensure!(groups.len() == 11 && sum(&groups, "count") == FLOOD_ATTEMPTS, "{groups:?}");
    let last = groups.last().context("no group")?;
    ensure!(last["other"] == true && last.get("sport").is_none(), "{last}");
    ensure!(output.stderr.iter().any(|line| line.contains("--max-groups")), "{:?}", output.stderr);
    Ok(())
}

fn table(backend: Backend) -> Result<()> {
    let (_, output) = flood(backend, &["--count"])?;
    let cells = output.stdout.iter().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect::<Vec<_>>();
    let [header, row] = &cells[..] else { anyhow::bail!("not a header and a row: {:?}", output.stdout) };
    ensure!(header == &["SADDR", "DADDR", "DPORT", "CONNECTS"], "{header:?}");
    let number = FLOOD_ATTEMPTS.to_string();
    ensure!(row[..2] == ["127.0.0.1", "127.0.0.1"] && row.last() == Some(&number.as_str()), "{row:?}");
    Ok(())
}

fn fields(backend: Backend) -> Result<()> {
    let (pid, output) = flood(backend, &["--fields", "dport,pid", "--fields", "daddr"])?;
    let (header, rows) = output.stdout.split_first().context("no header")?;
    ensure!(header.split_whitespace().eq(["DPORT", "PID", "DADDR"]), "{header}");
    ensure!(rows.len() as u64 == FLOOD_ATTEMPTS, "{} rows", rows.len());
    let right = |row: &String| row.split_whitespace().skip(1).eq([pid.as_str(), "127.0.0.1"]);
    ensure!(rows.iter().all(right), "{:?}", rows.iter().find(|row| !right(row)));
    Ok(())
}

fn csv(backend: Backend) -> Result<()> {
    let (pid, output) = flood(backend, &["--format", "csv", "--fields", "+uid,-comm"])?;
    let (header, rows) = output.stdout.split_first().context("no header")?;
    ensure!(header.trim_end() == "pid,ip,saddr,daddr,dport,uid", "{header:?}");
    ensure!(rows.len() as u64 == FLOOD_ATTEMPTS, "{} rows", rows.len());
    let right = |row: &String| row.starts_with(&format!("{pid},4,127.0.0.1,127.0.0.1,")) && row.ends_with(",0\r");
    ensure!(rows.iter().all(right), "{:?}", rows.iter().find(|row| !right(row)));
    Ok(())
}
