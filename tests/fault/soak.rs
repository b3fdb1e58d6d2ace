//! A long time at full speed: what the tool holds does not grow.

use std::fmt;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use libbpf_rs::MapCore;
use libbpf_rs::MapHandle;
use libbpf_rs::MapType;

use super::Play;
use super::attempts::Attempts;
use super::attempts::Fate;
use super::traced::Traced;
use crate::common::tool::Tool;
use crate::process::Process;

const STEPS: u32 = 10;

/// How much the memory of a tool may grow after the first tenth: what its allocator moves around.
const GROWTH: u64 = 512; // KiB

/// SIZE seconds of attempts that are refused, and of others that get no answer and are given up, traced by the tool
/// as the options say and, beside it, with --outcome.
pub fn soak(play: &Play) -> Result<String> {
    let kinds = if play.fate() == Fate::Accepted { &[Fate::Accepted][..] } else { &[Fate::Refused, Fate::Silent] };
    let mut attempts = kinds.iter().map(|&fate| Attempts::prepare(fate, u64::MAX, None)).collect::<Result<Vec<_>>>()?;
    let beside: &[&[&str]] = if play.fate() == Fate::Accepted { &[&[]] } else { &[&[], &["--outcome"]] };
    let tools = beside.iter().map(|more| play.start_counted(&attempts, more)).collect::<Result<Vec<_>>>()?;
    attempts.iter_mut().try_for_each(Attempts::begin)?;
    let mut first = Vec::new();
    for step in 1..=STEPS {
        thread::sleep(Duration::from_secs(play.size) / STEPS);
        let held = tools.iter().map(|traced| Held::by(&traced.tool)).collect::<Result<Vec<_>>>()?;
        for (held, more) in held.iter().zip(beside).filter(|_| play.aloud) {
            println!("{step}/{STEPS} {}: {held}", [&[play.tool.as_str()], *more].concat().join(" "));
        }
        if first.is_empty() {
            first = held;
            continue;
        }
        for (first, now) in first.iter().zip(&held) {
            ensure!(now.rss_kib <= first.rss_kib + GROWTH, "memory grew: {first}; then {now}");
            ensure!(now.descriptors == first.descriptors, "descriptors: {first}; then {now}");
            ensure!(now.entries <= MOST_ENTRIES, "too many entries: {now}");
        }
    }
    attempts.iter_mut().for_each(Attempts::cut_short);
    let made = attempts.iter_mut().map(Attempts::made).sum::<Result<u64>>()?;
    let account = |(traced, more): (Traced, &&[&str])| {
        let account = traced.account(made)?.holds(play.backend, true);
        account.map(|account| format!("{} {account}", more.concat())).with_context(|| more.concat())
    };
    Ok(tools.into_iter().zip(beside).map(account).collect::<Result<Vec<_>>>()?.join("; "))
}

/// Attempts that are under way at once, with room to spare for those whose end is late.
const MOST_ENTRIES: usize = 1000;

/// What a tool holds.
#[derive(Debug, Clone)]
struct Held {
    rss_kib: u64,
    descriptors: usize,
    /// Of its hash maps.
    entries: usize,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rss_kib, descriptors, entries } = self;
        write!(f, "{rss_kib} KiB RSS, {descriptors} descriptors, {entries} entries")
    }
}

impl Held {
    fn by(tool: &Tool) -> Result<Self> {
        Ok(Self {
            rss_kib: Process(tool.id()).rss()?,
            descriptors: tool.descriptors()?,
            entries: entries(tool).context("counting the entries of its maps")?,
        })
    }
}

fn entries(tool: &Tool) -> Result<usize> {
    let mut entries = 0;
    for descriptor in std::fs::read_dir(format!("/proc/{}/fdinfo", tool.id()))? {
        let info = std::fs::read_to_string(descriptor?.path())?;
        let Some(id) = info.lines().find_map(|line| line.strip_prefix("map_id:")) else { continue };
        let map = MapHandle::from_map_id(id.trim().parse()?)?;
        if matches!(map.map_type(), MapType::Hash | MapType::LruHash) {
            entries += map.keys().count();
        }
    }
    Ok(entries)
}
