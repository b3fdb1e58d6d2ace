//! What is in the maps when a run ends.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use libtest_mimic::Trial;

use super::attempt::Attempt;
use super::cases::CROWD;
use super::cases::OTHER_CROWD;
use super::compare::TcpConnect;
use super::loads::CROWD_ATTEMPTS;
use super::loads::FLOOD_ATTEMPTS;
use crate::common::backend::Backend;
use crate::common::endings::none_skipped;
use crate::common::flood;
use crate::common::flood::ended_well;
use crate::common::flood::flooded;
use crate::common::flood::play;
use crate::common::mode::Format;
use crate::common::run;
use crate::common::setup::Setup;
use crate::common::tool::Tool;

type Scenario = run::Scenario<Attempt>;

pub fn trials(backend: Backend) -> Vec<Trial> {
    let bodies: &[(&str, flood::Body)] =
        &[("nothing-left-behind", nothing_left_behind), ("full-map", full_map), ("unreadable-map", unreadable_map)];
    flood::trials::<TcpConnect>(backend, "endings", bodies)
}

/// The tool with this backend, showing only the attempts of one process.
pub fn args<'a>(backend: Backend, pid: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["tcpconnect", "--backend", backend.name(), "-p", pid];
    args.extend(more);
    args
}

/// Every attempt has ended, so none may be in flight.
fn nothing_left_behind(backend: Backend) -> Result<()> {
    let (_, tool) = flooded::<TcpConnect>(backend, &["--json", "--outcome", "--buffer-size", "4M"])?;
    let setup = Setup::here(backend, &tool.backend_line());
    let (rows, end) = ended_well("tcpconnect", &tool.stop()?)?;
    end.account_for(FLOOD_ATTEMPTS, rows.len() as u64)?;
    none_skipped::<TcpConnect>(setup, &end)?;
    Ok(())
}

/// More attempts at once than there is room for are counted, to the last one.
fn full_map(backend: Backend) -> Result<()> {
    let scenario = Scenario::prepare(&[CROWD])?;
    let pid = scenario.pid(CROWD).to_string();
    let tool = Tool::start(&args(backend, &pid, &["--json", "--outcome", "--max-in-flight", "8"]))?;
    let output = play(tool, scenario)?.stop()?;
    let (rows, end) = ended_well("tcpconnect", &output)?;
    end.account_for(CROWD_ATTEMPTS, rows.len() as u64)?;
    ensure!(end.lost > 0, "a map of 8 held {}", rows.len());
    ensure!(output.stderr.iter().any(|line| line.contains("lost")), "stderr does not say so: {:?}", output.stderr);
    Ok(())
}

/// Before 5.18 CAP_SYS_ADMIN, which attaches, may not be enough to read a map once it is dropped. That is told, and
/// never taken for an empty map.
fn unreadable_map(backend: Backend) -> Result<()> {
    const CAP_SYS_ADMIN: libc::c_ulong = 21;
    const CAP_SYS_RESOURCE: libc::c_ulong = 24;
    let mut scenario = Scenario::prepare(&[OTHER_CROWD])?;
    let pid = scenario.pid(OTHER_CROWD).to_string();
    let args = args(backend, &pid, &["--json", "--outcome"]);
    let tool = Tool::start_capable_of(&args, &[CAP_SYS_ADMIN, CAP_SYS_RESOURCE])?;
    scenario.play()?;
    let output = tool.stop()?;
    let (_, losses) = run::read("tcpconnect", Format::Json, &output.stdout)?;
    let end = losses.last().context("no object at the end")?;
    let told = output.stderr.iter().any(|line| line.contains("cannot read what is in flight"));
    let said = format!("{}, {end:?}\n{}", output.status, output.stderr.join("\n"));
    match end.pending {
        Some(pending) => ensure!(pending == CROWD_ATTEMPTS && output.status.success() && !told, "{said}"),
        None => ensure!(output.status.code() == Some(1) && told, "{said}"),
    }
    Ok(())
}
