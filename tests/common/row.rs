//! One row as the tool printed it, read from JSON, from a table or from CSV into the same form: values by the keys of
//! the tool's own list of fields. What that list does not name is an error in the output, and a panic in a test.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use bpftools::fields::Field;
use bpftools::fields::Kind;
use bpftools::tools::Entry;
use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Row {
    /// As it was printed.
    pub line: String,
    tool: &'static str,
    cells: BTreeMap<&'static str, Cell>,
}

#[derive(Clone, Debug)]
enum Cell {
    Number(u64),
    Address(IpAddr),
    Text(String),
    /// Nanoseconds since 1970.
    Time(u64),
    /// Seconds since midnight, UTC.
    TimeOfDay(u64),
}

fn entry(tool: &str) -> &'static Entry {
    Entry::find(tool).unwrap_or_else(|| panic!("{tool} is not registered"))
}

impl Row {
    fn new(tool: &str, line: &str) -> Row {
        Row { line: line.to_owned(), tool: entry(tool).name, cells: BTreeMap::new() }
    }

    /// The value of a field; `None` where it is unknown, or not shown.
    ///
    /// # Panics
    /// The tool has no such field.
    fn cell(&self, key: &str) -> Option<&Cell> {
        let cell = self.cells.get(key);
        assert!(cell.is_some() || entry(self.tool).all_fields().any(|field| field.key == key), "no field {key}");
        cell
    }

    pub fn has(&self, key: &str) -> bool {
        self.cell(key).is_some()
    }

    pub fn number<T: TryFrom<u64>>(&self, key: &str) -> Option<T> {
        match self.cell(key)? {
            Cell::Number(number) => Some(T::try_from(*number).unwrap_or_else(|_| panic!("{key}: {}", self.line))),
            other => panic!("{key} is no number but {other:?}"),
        }
    }

    pub fn address(&self, key: &str) -> Option<IpAddr> {
        match self.cell(key)? {
            Cell::Address(address) => Some(*address),
            other => panic!("{key} is no address but {other:?}"),
        }
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.cell(key)? {
            Cell::Text(text) => Some(text),
            other => panic!("{key} is no text but {other:?}"),
        }
    }

    pub fn pid(&self) -> Option<u32> {
        self.number("pid")
    }

    /// Nanoseconds since 1970, which a table does not tell.
    pub fn ts(&self) -> Option<u64> {
        if let Cell::Time(ts) = self.cell("ts")? { Some(*ts) } else { None }
    }

    /// Seconds since midnight, UTC: all that a table tells of the time.
    pub fn time_of_day(&self) -> Option<u64> {
        if let Cell::TimeOfDay(time) = self.cell("ts")? { Some(*time) } else { None }
    }
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

pub fn from_json(tool: &str, line: &str) -> Result<Line> {
    parse_json(tool, line).with_context(|| line.to_owned())
}

fn parse_json(tool: &str, line: &str) -> Result<Line> {
    harmless(line)?;
    let value: Value = serde_json::from_str(line)?;
    let object = value.as_object().context("no object")?;
    ensure!(object.get("v") == Some(&Value::from(1)), "no \"v\":1");
    ensure!(object.get("tool") == Some(&Value::from(tool)), "it is not {tool}'s");
    if object.get("kind") == Some(&Value::from("losses")) {
        return losses(&value).map(Line::Losses);
    }
    let mut row = Row::new(tool, line);
    for (key, value) in object {
        let field = find(tool, |field| field.key == key).with_context(|| format!("no contract names {key}"))?;
        ensure!(!value.is_null(), "{key} is unknown, and is to be absent then");
        row.cells.insert(field.key, from_value(field.kind, value).with_context(|| format!("{key} is {value}"))?);
    }
    ensure!(row.has("ts"), "no ts");
    Ok(Line::Row(row))
}

fn find(tool: &str, right: impl Fn(&Field) -> bool) -> Option<&'static Field> {
    entry(tool).all_fields().find(|field| right(field))
}

fn harmless(line: &str) -> Result<()> {
    ensure!(line.bytes().all(|b| (0x20..0x7f).contains(&b)), "a byte outside printable ASCII");
    Ok(())
}

fn from_value(kind: Kind, value: &Value) -> Result<Cell> {
    match kind.schema().0 {
        "integer" => value.as_u64().map(Cell::Number).context("no number"),
        _ => from_word(kind, value.as_str().context("no string")?),
    }
}

/// In base units, as JSON and CSV have them.
fn from_word(kind: Kind, word: &str) -> Result<Cell> {
    Ok(match kind {
        Kind::Address => Cell::Address(word.parse()?),
        Kind::Time => Cell::Time(timestamp(word)?),
        _ if kind.schema().0 == "integer" => Cell::Number(word.parse()?),
        _ => Cell::Text(word.to_owned()),
    })
}

fn losses(value: &Value) -> Result<Losses> {
    let count = |key: &str| value[key].as_u64().with_context(|| format!("no {key}"));
    let optional = |key: &str| value.get(key).map(|_| count(key)).transpose();
    timestamp(value["ts"].as_str().context("no ts")?)?;
    let (lost, half, skipped) = (count("lost")?, count("lost_half")?, count("skipped")?);
    ensure!(lost == count("lost_ring")? + count("lost_map")? + half, "lost is not the sum of its parts");
    let end = value.get("end") == Some(&Value::from(true));
    let (rows, pending) = (optional("rows")?, optional("pending")?);
    ensure!(!end || rows.is_some(), "the end without rows");
    Ok(Losses { lost, half, skipped, end, rows, pending })
}

/// RFC 3339, UTC, to the nanosecond.
fn timestamp(text: &str) -> Result<u64> {
    ensure!(text.len() == "2026-01-01T00:00:00.000000000Z".len() && text.ends_with('Z'), "ts: {text}");
    let time: jiff::Timestamp = text.parse().with_context(|| text.to_owned())?;
    Ok(time.as_nanosecond() as u64)
}

/// CSV: its header has the keys of the fields.
pub fn from_csv(tool: &str, header: &str, line: &str) -> Result<Row> {
    parse_csv(tool, header, line).with_context(|| format!("{header}\n{line}"))
}

fn parse_csv(tool: &str, header: &str, line: &str) -> Result<Row> {
    let line = line.strip_suffix('\r').context("a line of CSV ends with CR LF")?;
    harmless(line)?;
    let (keys, cells) = (header.trim_end().split(',').collect::<Vec<_>>(), csv_cells(line)?);
    ensure!(keys.len() == cells.len(), "{} columns, {} cells", keys.len(), cells.len());
    let mut row = Row::new(tool, line);
    for (key, cell) in keys.into_iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
        let field = find(tool, |field| field.key == key).with_context(|| format!("no contract names {key}"))?;
        row.cells.insert(field.key, from_word(field.kind, &cell).with_context(|| format!("{key} is {cell}"))?);
    }
    Ok(row)
}

/// By RFC 4180: a quoted cell may have commas, and its quotes are doubled.
fn csv_cells(line: &str) -> Result<Vec<String>> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' if quoted && rest.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if quoted || cell.is_empty() => quoted = !quoted,
            '"' => anyhow::bail!("a quote inside a cell"),
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    ensure!(!quoted, "a quote is not closed");
    cells.push(cell);
    Ok(cells)
}

/// A table: its header names the columns of every row below.
pub fn from_text(tool: &str, header: &str, line: &str) -> Result<Row> {
    parse_text(tool, header, line).with_context(|| format!("{header}\n{line}"))
}

fn parse_text(tool: &str, header: &str, line: &str) -> Result<Row> {
    harmless(line)?;
    ensure!(line.trim() == line, "a blank at an end");
    // As scripts do: what lies between two cells is blanks, and no cell is empty or has one.
    let (columns, cells) = (words(header), words(line));
    ensure!(columns.len() == cells.len(), "{} columns, {} cells", columns.len(), cells.len());
    let mut row = Row::new(tool, line);
    for (column, cell) in columns.into_iter().zip(cells) {
        let field =
            find(tool, |field| field.header == column).with_context(|| format!("no contract names {column}"))?;
        // Only a name that somebody else chose is `-` in so many words.
        if cell == "-" && field.kind != Kind::Text {
            continue;
        }
        if let Some((part, whole)) = cell.split_once('/').filter(|_| field.kind == Kind::Count) {
            let key = format!("{}_max", field.key);
            let limit = find(tool, |field| field.key == key).with_context(|| format!("{cell}, but no {key}"))?;
            row.cells.insert(field.key, Cell::Number(part.parse()?));
            row.cells.insert(limit.key, Cell::Number(whole.parse()?));
            continue;
        }
        row.cells.insert(field.key, from_cell(field, cell).with_context(|| format!("{column} is {cell}"))?);
    }
    Ok(row)
}

/// As a table shows it: times of day, and time spans in the unit that the header names, with three decimals.
fn from_cell(field: &Field, cell: &str) -> Result<Cell> {
    let unit = [("(s)", 1e9), ("(ms)", 1e6), ("(us)", 1e3)].into_iter().find(|(unit, _)| field.header.ends_with(unit));
    match (field.kind, unit) {
        (Kind::Time, _) => time_of_day(cell).map(Cell::TimeOfDay),
        (Kind::Span | Kind::Elapsed, Some((_, nanoseconds))) => {
            let decimals = cell.split_once('.').map(|(_, decimals)| decimals.len());
            ensure!(decimals == Some(3), "not with three decimals");
            Ok(Cell::Number((cell.parse::<f64>()? * nanoseconds).round() as u64))
        }
        (kind, _) => from_word(kind, cell),
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').filter(|word| !word.is_empty()).collect()
}

fn time_of_day(text: &str) -> Result<u64> {
    let time: jiff::civil::Time = text.parse()?;
    ensure!(text.len() == "00:00:00".len(), "TIME is HH:MM:SS");
    Ok(time.hour() as u64 * 3600 + time.minute() as u64 * 60 + time.second() as u64)
}
