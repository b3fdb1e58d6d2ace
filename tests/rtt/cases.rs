//! The cases. Segments are told from those of others by their ports.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use nix::unistd::geteuid;

use super::pair::MAPPED;
use super::pair::Pair;
use super::pair::V4;
use super::pair::V6;
use super::table::Printed;
use crate::common::backend::Backend;
use crate::common::cgroup;
use crate::common::machine;
use crate::common::tool::Tool;

type Case = fn(Backend) -> Result<()>;

pub const ALL: &[(&str, Case)] = &[
    ("counts-v4", |backend| counts(backend, V4)),
    ("counts-v6", |backend| counts(backend, V6)),
    ("counts-mapped", |backend| counts(backend, MAPPED)),
    ("one-histogram", one_histogram),
    ("every-segment", every_segment),
    ("values", |backend| values(backend, Duration::ZERO, &[], 1000, |info| info.srtt_us)),
    ("values-delayed", |backend| values(backend, DELAY, &[], 1000, |info| info.srtt_us)),
    ("values-milliseconds", |backend| values(backend, DELAY, &["-m"], 1_000_000, |info| info.srtt_us)),
    ("least-values", |backend| match machine::has_btf() {
        true => values(backend, DELAY, &["--sample", "least"], 1000, |info| info.min_rtt_us),
        false => refused(backend, &["--sample", "least"]),
    }),
    ("intervals", |backend| intervals(backend, &[])),
    ("intervals-of-groups", |backend| intervals(backend, &["--by", "lport"])),
    ("more-groups-than-there-is-room-for", other),
    ("filters", filters),
    ("owner", owner),
    ("text", text),
];

/// Longer than anything on loopback takes, and shorter than an acknowledgement is delayed.
const DELAY: Duration = Duration::from_millis(5);

fn start(backend: Backend, options: &[&str]) -> Result<Tool> {
    Tool::start(&[&["tcprtt", "--backend", backend.name(), "--json"], options].concat())
}

/// The connection, or none where the machine has no IPv6.
fn pair(ip: IpAddr) -> Result<Option<Pair>> {
    match std::net::TcpListener::bind((V6, 0)) {
        Err(_) if ip.is_ipv6() => Ok(None),
        _ => Pair::new(ip).map(Some),
    }
}

/// Each end has a group with as many rows as it received segments.
fn counts(backend: Backend, ip: IpAddr) -> Result<()> {
    let tool = start(backend, &["--by", "laddr,lport,raddr,rport,ip"])?;
    let Some(mut pair) = pair(ip)? else { return Ok(()) };
    for _ in 0..200 {
        pair.exchange(Duration::ZERO)?;
    }
    pair.settle()?;
    let printed = Printed::read(&tool.stop()?)?;
    ensure!(printed.lost == 0, "{} lost or skipped", printed.lost);
    for end in [&pair.client, &pair.server] {
        let port = u64::from(end.local.port());
        let groups: Vec<_> = printed.histograms.iter().filter(|one| one.number("lport") == Some(port)).collect();
        let [group] = groups[..] else { bail!("{} groups of port {port}", groups.len()) };
        let received = end.received()?;
        ensure!(group.rows == received, "{} rows for {received} segments at port {port}", group.rows);
        let shown = |ip: IpAddr| ip.to_canonical().to_string();
        ensure!(group.text("laddr") == Some(&shown(end.local.ip())), "{group:?}");
        ensure!(group.text("raddr") == Some(&shown(end.remote.ip())), "{group:?}");
        ensure!(group.number("rport") == Some(end.remote.port().into()), "{group:?}");
        ensure!(group.number("ip") == Some(if ip == V6 { 6 } else { 4 }), "{group:?}");
    }
    Ok(())
}

/// Without groups there is one histogram, of all that the filter lets through.
fn one_histogram(backend: Backend) -> Result<()> {
    let mut pair = Pair::new(V4)?;
    let before = pair.client.received()? + pair.server.received()?;
    let tool = start(backend, &["-P", &pair.server.local.port().to_string()])?;
    for _ in 0..200 {
        pair.exchange(Duration::ZERO)?;
    }
    pair.settle()?;
    let received = pair.client.received()? + pair.server.received()? - before;
    let printed = Printed::read(&tool.stop()?)?;
    ensure!(printed.histograms.len() == 1, "{:?}", printed.histograms);
    ensure!(printed.rows + printed.lost == received, "{} rows for {received} segments", printed.rows);
    Ok(())
}

/// The same without any filter, where nobody else sends anything.
fn every_segment(backend: Backend) -> Result<()> {
    let mut pair = Pair::new(V4)?;
    pair.settle()?;
    let before = pair.client.received()? + pair.server.received()?;
    let tool = start(backend, &[])?;
    for _ in 0..500 {
        pair.exchange(Duration::ZERO)?;
    }
    pair.settle()?;
    let received = pair.client.received()? + pair.server.received()? - before;
    let printed = Printed::read(&tool.stop()?)?;
    let seen = printed.rows + printed.lost;
    ensure!(seen >= received, "{} rows for {received} segments", printed.rows);
    ensure!(seen == received || !machine::is_ours_alone(), "{} rows for {received} segments", printed.rows);
    Ok(())
}

/// Each segment is counted with the value that the socket had before it came: exactly those that TCP_INFO told.
fn values(
    backend: Backend,
    pause: Duration,
    options: &[&str],
    unit: u64,
    value: impl Fn(super::pair::Info) -> u64,
) -> Result<()> {
    const EXCHANGES: usize = 20;
    for _ in 0..20 {
        let mut pair = Pair::new(V4)?;
        // Until data carry all acknowledgements.
        for _ in 0..40 {
            pair.exchange(Duration::ZERO)?;
        }
        pair.settle()?;
        let client = pair.client.local.port().to_string();
        let tool = start(backend, &[&["-P", &client, "--by", "lport"], options].concat())?;
        let mut told = Vec::new();
        let mut segments = Vec::new();
        for _ in 0..EXCHANGES {
            let before = pair.client.info()?;
            pair.exchange(pause)?;
            told.push(value(before) * 1000 / unit);
            segments.push(pair.client.info()?.segs_in - before.segs_in);
        }
        let printed = Printed::read(&tool.stop()?)?;
        if segments.iter().any(|&segments| segments != 1) || printed.lost > 0 {
            continue; // An acknowledgement came by itself, and when nobody knows.
        }
        let mut expected = BTreeMap::<u64, u64>::new();
        for &value in &told {
            *expected.entry(if value < 2 { 0 } else { (1 << value.ilog2()) * unit }).or_default() += 1;
        }
        let port = pair.client.local.port().into();
        let Some(group) = printed.histograms.iter().find(|one| one.number("lport") == Some(port)) else {
            bail!("no group of port {client}");
        };
        ensure!(group.buckets == expected, "{:?}, not {expected:?}, of {told:?}", group.buckets);
        let sum = told.iter().sum::<u64>() * unit;
        ensure!(group.sum == sum, "sum {}, not {sum}", group.sum);
        if !pause.is_zero() && options != ["--sample", "least"] {
            ensure!(
                group.sum > EXCHANGES as u64 * DELAY.as_nanos() as u64 / 4,
                "the delay is not in it: {}",
                group.sum
            );
        }
        return Ok(());
    }
    bail!("acknowledgements came by themselves in all runs")
}

/// What intervals count comes to as many as there were segments, though they never pause.
fn intervals(backend: Backend, options: &[&str]) -> Result<()> {
    let mut pair = Pair::new(V4)?;
    pair.settle()?;
    let before = [pair.client.received()?, pair.server.received()?];
    let port = pair.server.local.port().to_string();
    let tool = start(backend, &[&["-P", &port, "-i", "0.05"], options].concat())?;
    for printed in 1..=4 {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(200) {
            pair.exchange(Duration::ZERO)?;
        }
        tool.wait_stdout("histograms", |lines| lines.len() >= printed)?;
    }
    pair.settle()?;
    let received = [pair.client.received()? - before[0], pair.server.received()? - before[1]];
    let printed = Printed::read(&tool.stop()?)?;
    let all = received.iter().sum::<u64>();
    ensure!(printed.rows + printed.lost == all, "{} rows for {all} segments", printed.rows);
    ensure!(printed.histograms.len() >= 4, "{} histograms", printed.histograms.len());
    if !options.is_empty() && printed.lost == 0 {
        let rows = [&pair.client, &pair.server].map(|end| printed.total("lport", end.local.port().into()));
        ensure!(rows == received, "{rows:?} rows for {received:?} segments");
    }
    Ok(())
}

/// Nothing is lost for want of room: it is counted together, and that is said.
fn other(backend: Backend) -> Result<()> {
    let mut pairs = Vec::new();
    for _ in 0..5 {
        pairs.push(Pair::new(V4)?);
    }
    let before = pairs.iter().map(|pair| Ok(pair.client.received()? + pair.server.received()?)).sum::<Result<u64>>()?;
    let ports: Vec<_> = pairs.iter().map(|pair| pair.server.local.port().to_string()).collect();
    let tool = start(backend, &["-P", &ports.join(","), "--by", "lport", "--max-groups", "4"])?;
    for pair in &mut pairs {
        for _ in 0..20 {
            pair.exchange(Duration::ZERO)?;
        }
    }
    pairs.iter().try_for_each(Pair::settle)?;
    let after = pairs.iter().map(|pair| Ok(pair.client.received()? + pair.server.received()?)).sum::<Result<u64>>()?;
    let output = tool.stop()?;
    let printed = Printed::read(&output)?;
    ensure!(printed.rows + printed.lost == after - before, "{} rows for {} segments", printed.rows, after - before);
    let others: Vec<_> = printed.histograms.iter().filter(|one| one.is_other()).collect();
    ensure!(printed.histograms.len() == 5 && others.len() == 1, "{:?}", printed.histograms);
    let said = format!("{} rows of more than 4 groups are counted as `other`", others[0].rows);
    ensure!(output.stderr.iter().any(|line| line.contains(&said)), "{:?}", output.stderr);
    Ok(())
}

fn filters(backend: Backend) -> Result<()> {
    let mut v4 = Pair::new(V4)?;
    let mut v6 = pair(V6)?;
    let port = |end: &super::pair::End| end.local.port().to_string();
    let (four, six) = (port(&v4.server), v6.as_ref().map_or("1".to_owned(), |v6| port(&v6.server)));
    for (options, sees_v4, sees_v6) in [
        (["-P", &four, "-4"], true, false),
        (["-P", &four, "-6"], false, false),
        (["-P", &six, "-6"], false, true),
        (["-P", &six, "-4"], false, false),
        (["-P", &port(&v4.client), "-4"], true, false),
    ] {
        let tool = start(backend, &options)?;
        v4.exchange(Duration::ZERO)?;
        v6.iter_mut().try_for_each(|v6| v6.exchange(Duration::ZERO))?;
        let printed = Printed::read(&tool.stop()?)?;
        let sees = sees_v4 || (sees_v6 && v6.is_some());
        ensure!((printed.rows > 0) == sees, "{options:?}: {} rows", printed.rows);
    }
    Ok(())
}

/// A socket says whose it is: its creator, and that one's cgroup.
fn owner(backend: Backend) -> Result<()> {
    let by = ["--by", "uid,cgroup_id,lport"];
    if !machine::has_btf() {
        return refused(backend, &by);
    }
    let mut pair = Pair::new(V4)?;
    let port = pair.server.local.port();
    let tool = start(backend, &[&["-P", &port.to_string()], &by[..]].concat())?;
    pair.exchange(Duration::ZERO)?;
    let printed = Printed::read(&tool.stop()?)?;
    let Some(group) = printed.histograms.iter().find(|one| one.number("lport") == Some(port.into())) else {
        bail!("no group of port {port}");
    };
    ensure!(group.number("uid") == Some(geteuid().as_raw().into()), "{group:?}");
    // Where version 1 is mounted too, sockets have no cgroup of their own.
    if machine::is_ours_alone() {
        ensure!(group.number("cgroup_id") == cgroup::own_id(), "{group:?}, not {:?}", cgroup::own_id());
    }
    Ok(())
}

/// What a record does not tell is refused in words.
fn refused(backend: Backend, options: &[&str]) -> Result<()> {
    let Err(error) = start(backend, options) else { bail!("it runs") };
    ensure!(error.to_string().contains("BTF"), "{error:#}");
    Ok(())
}

/// The table is as wide as a terminal, and has what JSON has.
fn text(backend: Backend) -> Result<()> {
    let mut pair = Pair::new(V4)?;
    let port = pair.server.local.port().to_string();
    let tool = Tool::start(&["tcprtt", "--backend", backend.name(), "-P", &port, "-T"])?;
    for _ in 0..100 {
        pair.exchange(Duration::ZERO)?;
    }
    let lines = tool.stop()?.stdout;
    ensure!(lines.iter().all(|line| line.len() <= 80), "{lines:#?}");
    let summary = lines.iter().find(|line| line.starts_with("rtt_ns (usecs): ")).map_or("", String::as_str);
    let [time, header, buckets @ ..] = &lines[..] else { bail!("{lines:#?}") };
    ensure!(time.len() == 8 && time.split(':').count() == 3, "{lines:#?}");
    ensure!(header.split_whitespace().eq(["usecs", ":", "count", "distribution"]), "{lines:#?}");
    let count = |line: &String| line.split_whitespace().nth(4)?.parse::<u64>().ok().filter(|_| line.ends_with('|'));
    let all = buckets.iter().filter_map(count).sum::<u64>();
    ensure!(all >= 200 && summary.contains(&format!("count {all}, ")), "{lines:#?}");
    Ok(())
}
