//! Rows that are counted, and fields that are chosen, by any tool: what is printed then is held to how many rows the
//! flood makes.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use bpftools::tools::Entry;
use libtest_mimic::Trial;
use serde_json::Value;

use super::backend::Backend;
use super::flood;
use super::flood::flooded;
use super::mode::Format;
use super::repeat;
use super::run;
use super::setup::Setup;
use super::subject::Subject;
use super::tool::Output;

pub fn trials<S: Subject>(backend: Backend) -> Vec<Trial> {
    let bodies: &[(&str, flood::Body)] = &[
        ("count", count::<S>),
        ("intervals", intervals::<S>),
        ("other", other::<S>),
        ("table", table::<S>),
        ("fields", fields::<S>),
        ("csv", csv::<S>),
    ];
    flood::trials::<S>(backend, "counting", bodies)
}

/// What the tool printed of a flood, and the flood's process; of a run in which the kernel skipped nothing.
pub fn counted<S: Subject>(backend: Backend, more: &[&str]) -> Result<(u32, Output)> {
    for _ in 0..repeat::RUNS {
        let (pid, tool) = flooded::<S>(backend, &[&["--buffer-size", "4M"], more].concat())?;
        let may_lose = S::may_lose(Setup::here(backend, &tool.backend_line()));
        let output = tool.stop()?;
        ensure!(output.status.success(), "{}\n{}", output.status, output.stderr.join("\n"));
        let told =
            output.stderr.iter().find(|line| line.contains(" rows lost ") || line.contains(" skipped a program"));
        match told {
            None => return Ok((pid, output)),
            Some(told) if may_lose => repeat::tell(&format!("{} {} {more:?}", S::TOOL, backend.name()), told),
            Some(told) => anyhow::bail!("nothing was to be lost or skipped: {told}"),
        }
    }
    anyhow::bail!("the kernel skipped programs in each of {} runs", repeat::RUNS)
}

pub fn all<S: Subject>(rows: u64) -> Result<()> {
    ensure!(rows == S::FLOOD.rows, "{rows} rows of {}", S::FLOOD.rows);
    Ok(())
}

/// The objects of a kind; the last object of all, which says what was lost, has all rows.
pub fn objects<S: Subject>(output: &Output, kind: &str) -> Result<Vec<Value>> {
    let objects = output.stdout.iter().map(|line| serde_json::from_str(line).context(line.clone()));
    let objects = objects.collect::<Result<Vec<Value>>>()?;
    let end = objects.last().context("nothing was printed")?;
    let lost = end["lost"].as_u64().context("the end does not say what was lost")?;
    ensure!(end["kind"] == "losses" && end["end"] == true && lost == 0, "the end is {end}");
    all::<S>(end["rows"].as_u64().with_context(|| format!("the end is {end}"))?)?;
    Ok(objects.into_iter().filter(|object| object["kind"] == kind).collect())
}

pub fn sum(groups: &[Value], key: &str) -> u64 {
    groups.iter().filter_map(|group| group[key].as_u64()).sum()
}

/// By the tool's own key, and by fields that are the same in all rows.
fn count<S: Subject>(backend: Backend) -> Result<()> {
    let key = Entry::find(S::TOOL).expect("it is registered").counted_by;
    let (_, output) = counted::<S>(backend, &["-c", "--json"])?;
    let groups = objects::<S>(&output, "group")?;
    all::<S>(sum(&groups, "count"))?;
    for group in &groups {
        ensure!(key.iter().all(|key| group.get(key).is_some()), "it is counted by {key:?}: {group}");
        ensure!(group["interval_ns"].is_u64(), "{group}");
    }
    let (pid, output) = counted::<S>(backend, &["--by", "pid,comm", "--json"])?;
    let groups = objects::<S>(&output, "group")?;
    let [group] = &groups[..] else { anyhow::bail!("not one group: {groups:?}") };
    ensure!(group["pid"] == pid && group["comm"] == S::FLOOD.case, "{group}");
    ensure!(group.get("tid").is_none(), "a field that it is not counted by: {group}");
    all::<S>(sum(&groups, "count"))
}

/// Each interval begins anew, so all of them together have every row once.
fn intervals<S: Subject>(backend: Backend) -> Result<()> {
    let (_, output) = counted::<S>(backend, &["-c", "-i", "0.05", "--json"])?;
    all::<S>(sum(&objects::<S>(&output, "group")?, "count"))
}

/// More groups than there may be are one, which is said.
fn other<S: Subject>(backend: Backend) -> Result<()> {
    let by = ["--by", S::FLOOD.distinct, "--max-groups", "10", "--json"];
    let (_, output) = counted::<S>(backend, &[&by, S::FLOOD.options].concat())?;
    let groups = objects::<S>(&output, "group")?;
    ensure!(groups.len() == 11, "{} groups: {groups:?}", groups.len());
    all::<S>(sum(&groups, "count"))?;
    let last = groups.last().context("no group")?;
    ensure!(last["other"] == true && last.get(S::FLOOD.distinct).is_none(), "{last}");
    ensure!(output.stderr.iter().any(|line| line.contains("--max-groups")), "{:?}", output.stderr);
    Ok(())
}

fn table<S: Subject>(backend: Backend) -> Result<()> {
    let (pid, output) = counted::<S>(backend, &["--by", "pid,comm"])?;
    let cells = output.stdout.iter().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect::<Vec<_>>();
    let [header, row] = &cells[..] else { anyhow::bail!("not a header and a row: {:?}", output.stdout) };
    ensure!(header.len() == 3 && header[..2] == ["PID", "COMM"], "{header:?}");
    ensure!(row[..2] == [&pid.to_string(), S::FLOOD.case], "{row:?}");
    all::<S>(row.last().and_then(|number| number.parse().ok()).context("no number")?)
}

fn fields<S: Subject>(backend: Backend) -> Result<()> {
    let (pid, output) = counted::<S>(backend, &["--fields", "comm,pid", "--fields", "ip"])?;
    let (header, rows) = output.stdout.split_first().context("no header")?;
    ensure!(header.split_whitespace().eq(["COMM", "PID", "IP"]), "{header}");
    all::<S>(rows.len() as u64)?;
    let right = |row: &String| row.split_whitespace().eq([S::FLOOD.case, &pid.to_string(), "4"]);
    ensure!(rows.iter().all(right), "{:?}", rows.iter().find(|row| !right(row)));
    Ok(())
}

/// The same fields as the table, but for those that are chosen.
fn csv<S: Subject>(backend: Backend) -> Result<()> {
    let (pid, output) = counted::<S>(backend, &["--format", "csv", "--fields", "+uid,-comm"])?;
    let (rows, _) = run::read(S::TOOL, Format::Csv, &output.stdout)?;
    all::<S>(rows.len() as u64)?;
    for row in rows {
        ensure!(row.pid() == Some(pid) && row.number("ip") == Some(4), "{}", row.line);
        ensure!(row.number("uid") == Some(0) && !row.has("comm"), "{}", row.line);
    }
    Ok(())
}
