//! One row as the tool printed it, read from JSON or from a table into the same form.

use std::net::IpAddr;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use bpftools::tools::Entry;
use serde_json::Value;

/// The keys that a tool's rows can have.
fn keys(tool: &str) -> Vec<&'static str> {
    Entry::find(tool).expect("a tool of ours").all_fields().iter().map(|field| field.key).collect()
}

#[derive(Clone, Debug, Default)]
pub struct Row {
    /// As it was printed.
    pub line: String,
    /// Nanoseconds since 1970.
    pub ts: Option<u64>,
    /// TIME: seconds since midnight, UTC.
    pub time_of_day: Option<u64>,
    /// TIME(s): since the first row.
    pub since_first: Option<f64>,
    pub pid: u32,
    pub tid: Option<u32>,
    pub uid: Option<u32>,
    pub comm: String,
    pub cgroup_id: Option<u64>,
    pub ip: u8,
    /// Of the local end.
    pub saddr: Option<IpAddr>,
    pub sport: Option<u16>,
    /// Of the other end.
    pub daddr: Option<IpAddr>,
    pub dport: Option<u16>,
    pub result: Option<String>,
    pub error: Option<String>,
    pub latency_ns: Option<u64>,
    /// Waiting, and limit.
    pub backlog: Option<(u32, u32)>,
}

/// The object that says what was lost; its last one ends the output.
#[derive(Clone, Debug)]
pub struct Losses {
    pub lost: u64,
    /// Of which only one half was seen.
    pub half: u64,
    pub skipped: u64,
    pub end: bool,
    pub rows: Option<u64>,
    pub pending: Option<u64>,
}

impl Losses {
    /// Every row that was to be is printed, lost or pending; but for what the kernel skipped. `rows`: without those
    /// that are pending.
    pub fn account_for(&self, made: u64, rows: u64) -> Result<()> {
        let pending = self.pending.context("pending is not told")?;
        let missing = made as i64 - (rows + self.lost + pending) as i64;
        let (lost, skipped) = (self.lost, self.skipped);
        ensure!(
            (0..=skipped as i64).contains(&missing),
            "of {made} made, {rows} rows, {lost} lost, {pending} pending: {missing} are missing, {skipped} skipped"
        );
        Ok(())
    }
}

pub enum Line {
    Row(Row),
    Losses(Losses),
}

pub fn from_json(line: &str) -> Result<Line> {
    parse_json(line).with_context(|| line.to_owned())
}

fn parse_json(line: &str) -> Result<Line> {
    ensure!(line.bytes().all(|b| (0x20..0x7f).contains(&b)), "a byte outside printable ASCII");
    let value: Value = serde_json::from_str(line)?;
    let object = value.as_object().context("no object")?;
    ensure!(object.get("v") == Some(&Value::from(1)), "no \"v\":1");
    let tool = object.get("tool").and_then(Value::as_str).context("no tool")?;
    if object.get("kind") == Some(&Value::from("losses")) {
        return losses(&value).map(Line::Losses);
    }
    let keys = keys(tool);
    ensure!(object.keys().all(|key| keys.contains(&key.as_str())), "keys that no contract names");
    ensure!(object.values().all(|value| !value.is_null()), "what is unknown is to be absent");
    let [saddr, sport, daddr, dport] = [["saddr", "laddr"], ["sport", "lport"], ["daddr", "raddr"], ["dport", "rport"]]
        .map(|names| names.into_iter().find(|name| object.contains_key(*name)).unwrap_or(names[0]));
    let backlog = number(&value, "backlog")?.zip(number(&value, "backlog_max")?);
    ensure!(backlog.is_some() == object.contains_key("backlog"), "a backlog without its limit");
    Ok(Line::Row(Row {
        line: line.to_owned(),
        ts: Some(timestamp(text(&value, "ts")?.context("no ts")?)?),
        pid: number(&value, "pid")?.context("no pid")?,
        tid: number(&value, "tid")?,
        uid: number(&value, "uid")?,
        comm: text(&value, "comm")?.context("no comm")?.to_owned(),
        cgroup_id: number(&value, "cgroup_id")?,
        ip: number(&value, "ip")?.context("no ip")?,
        saddr: text(&value, saddr)?.map(str::parse).transpose()?,
        sport: number(&value, sport)?,
        daddr: text(&value, daddr)?.map(str::parse).transpose()?,
        dport: number(&value, dport)?,
        result: text(&value, "result")?.map(str::to_owned),
        error: text(&value, "error")?.map(str::to_owned),
        latency_ns: number(&value, "latency_ns")?,
        backlog,
        ..Row::default()
    }))
}

fn losses(value: &Value) -> Result<Losses> {
    timestamp(text(value, "ts")?.context("no ts")?)?;
    let lost = number(value, "lost")?.context("no lost")?;
    let ring: u64 = number(value, "lost_ring")?.context("no lost_ring")?;
    let map: u64 = number(value, "lost_map")?.context("no lost_map")?;
    let end = value.get("end") == Some(&Value::from(true));
    let (rows, pending) = (number(value, "rows")?, number(value, "pending")?);
    ensure!(!end || rows.is_some(), "the end without rows");
    let half = number(value, "lost_half")?.context("no lost_half")?;
    let skipped = number(value, "skipped")?.context("no skipped")?;
    ensure!(lost == ring + map + half, "lost is not the sum of its parts");
    Ok(Losses { lost, half, skipped, end, rows, pending })
}

fn number<T: TryFrom<u64>>(value: &Value, key: &str) -> Result<Option<T>> {
    let Some(value) = value.get(key) else { return Ok(None) };
    let number = value.as_u64().and_then(|n| T::try_from(n).ok());
    number.with_context(|| format!("{key} is no number that fits")).map(Some)
}

fn text<'a>(value: &'a Value, key: &str) -> Result<Option<&'a str>> {
    let Some(value) = value.get(key) else { return Ok(None) };
    value.as_str().with_context(|| format!("{key} is no string")).map(Some)
}

/// RFC 3339, UTC, to the nanosecond.
fn timestamp(text: &str) -> Result<u64> {
    ensure!(text.len() == "2026-01-01T00:00:00.000000000Z".len() && text.ends_with('Z'), "ts: {text}");
    let time: jiff::Timestamp = text.parse().with_context(|| text.to_owned())?;
    Ok(time.as_nanosecond() as u64)
}

/// A table: its header names the columns of every row below.
pub fn from_text(header: &str, line: &str) -> Result<Row> {
    parse_text(header, line).with_context(|| format!("{header}\n{line}"))
}

fn parse_text(header: &str, line: &str) -> Result<Row> {
    ensure!(line.bytes().all(|b| (0x20..0x7f).contains(&b)), "a byte outside printable ASCII");
    ensure!(line.trim() == line, "a blank at an end");
    // As scripts do: what lies between two cells is blanks, and no cell is empty or has one.
    let (columns, cells) = (words(header), words(line));
    ensure!(columns.len() == cells.len(), "{} columns, {} cells", columns.len(), cells.len());
    let mut row = Row { line: line.to_owned(), ..Row::default() };
    for (column, cell) in columns.into_iter().zip(cells) {
        let known = Some(cell).filter(|&cell| cell != "-");
        match column {
            "TIME" => row.time_of_day = Some(time_of_day(cell)?),
            "TIME(s)" => row.since_first = Some(cell.parse()?),
            "UID" => row.uid = Some(cell.parse()?),
            "PID" => row.pid = cell.parse()?,
            "COMM" => row.comm = cell.to_owned(),
            "IP" => row.ip = cell.parse()?,
            "SADDR" | "LADDR" => row.saddr = known.map(str::parse).transpose()?,
            "LPORT" => row.sport = known.map(str::parse).transpose()?,
            "DADDR" | "RADDR" => row.daddr = known.map(str::parse).transpose()?,
            "DPORT" | "RPORT" => row.dport = known.map(str::parse).transpose()?,
            "RESULT" | "ERR" => row.result = known.map(str::to_owned),
            "LAT(ms)" => row.latency_ns = known.map(milliseconds).transpose()?,
            "BL" => row.backlog = known.map(ratio).transpose()?,
            other => anyhow::bail!("no contract names a column {other}"),
        }
    }
    Ok(row)
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').filter(|word| !word.is_empty()).collect()
}

fn time_of_day(text: &str) -> Result<u64> {
    let time: jiff::civil::Time = text.parse()?;
    ensure!(text.len() == "00:00:00".len(), "TIME is HH:MM:SS");
    Ok(time.hour() as u64 * 3600 + time.minute() as u64 * 60 + time.second() as u64)
}

fn milliseconds(text: &str) -> Result<u64> {
    let decimals = text.split_once('.').map(|(_, decimals)| decimals.len());
    ensure!(decimals == Some(3), "LAT(ms) has three decimals");
    Ok((text.parse::<f64>()? * 1e6).round() as u64)
}

fn ratio(text: &str) -> Result<(u32, u32)> {
    let (part, whole) = text.split_once('/').context("BL is no ratio")?;
    Ok((part.parse()?, whole.parse()?))
}
