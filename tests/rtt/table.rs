//! What a run printed, read from its JSON.

use std::collections::BTreeMap;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use serde_json::Value;

use crate::common::tool::Output;

/// A histogram: of a group, in an interval.
#[derive(Debug, Clone)]
pub struct Histogram {
    object: Value,
    pub rows: u64,
    pub sum: u64,
    /// By the least value.
    pub buckets: BTreeMap<u64, u64>,
}

/// The difference that explains segments which are not in a histogram.
pub const SKIPPED: &str = "skipped";

pub struct Printed {
    pub histograms: Vec<Histogram>,
    /// Or skipped.
    pub lost: u64,
    /// What the last object says.
    pub rows: u64,
}

impl Histogram {
    fn new(object: &Value) -> Result<Self> {
        let number = |key: &str| object[key].as_u64().with_context(|| format!("no {key} in {object}"));
        let mut buckets = BTreeMap::new();
        for bucket in object["buckets"].as_array().context("no buckets")? {
            let [low, high, count] = [0, 1, 2].map(|at| bucket[at].as_u64().expect("a number"));
            ensure!(low < high, "{bucket}");
            if count > 0 {
                buckets.insert(low, count);
            }
        }
        ensure!(buckets.values().sum::<u64>() == number("count")?, "buckets do not add up: {object}");
        ensure!(number("interval_ns")? > 0, "{object}");
        Ok(Self { rows: number("rows")?, sum: object["sum"].as_u64().unwrap_or(0), buckets, object: object.clone() })
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        self.object[key].as_u64()
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.object[key].as_str()
    }

    pub fn is_other(&self) -> bool {
        self.object["other"] == true
    }
}

impl Printed {
    pub fn read(output: &Output) -> Result<Self> {
        ensure!(output.status.success(), "{}: {}", output.status, output.stderr.join("\n"));
        let mut printed = Self { histograms: Vec::new(), lost: 0, rows: 0 };
        for line in &output.stdout {
            let object: Value = serde_json::from_str(line).with_context(|| line.clone())?;
            ensure!(object["v"] == 1 && object["tool"] == "tcprtt", "{line}");
            match object["kind"].as_str() {
                Some("histogram") => printed.histograms.push(Histogram::new(&object)?),
                Some("losses") => {
                    printed.lost = object["lost"].as_u64().context("lost")? + object["skipped"].as_u64().unwrap_or(0);
                    printed.rows = object["rows"].as_u64().unwrap_or(0);
                }
                _ => anyhow::bail!("unexpected: {line}"),
            }
        }
        ensure!(printed.rows == printed.histograms.iter().map(|one| one.rows).sum::<u64>(), "rows do not add up");
        Ok(printed)
    }

    /// How many there were in all intervals, where `key` has this value.
    pub fn total(&self, key: &str, value: u64) -> u64 {
        self.histograms.iter().filter(|one| one.number(key) == Some(value)).map(|one| one.rows).sum()
    }
}
