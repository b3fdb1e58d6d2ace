//! Backends that do not work here say why, and what does; `bpftools check` says the same of all.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use libtest_mimic::Trial;
use serde_json::Value;

use super::backend::Backend;
use super::machine;
use super::machine::Candidate;
use super::tool::command;

/// The tools and backends that cannot work on an odd machine, even if others can, and what the reason has to name. A machine
/// is meant if its name in tests/vm/machines (BPFTOOLS_MACHINE) ends so. No tool means every one.
const REASONS: &[(&str, &[&str], &[Backend], &str)] = &[
    ("no-btf", &[], &[Backend::Fentry, Backend::Kprobe], "/sys/kernel/btf/vmlinux"),
    ("no-btf", &["tcpaccept"], &[Backend::Tracepoint], "/sys/kernel/btf/vmlinux"),
    ("lockdown", &[], &[Backend::Kprobe], "lockdown=confidentiality"),
    ("lockdown", &["tcpaccept"], &[Backend::Tracepoint], "lockdown=confidentiality"),
    ("6.1-user", &[], &Backend::ALL, "CAP_BPF"),
    ("5.10-bpf", &[], &Backend::ALL, "locked memory"),
    ("6.12-bpf", &[], &[Backend::Kprobe], "perf_event_paranoid"),
    ("6.12-bpf", &["tcpaccept"], &[Backend::Tracepoint], "tracefs is not readable"),
];

/// Why the backend cannot work on this machine.
pub fn reason(tool: &str, backend: Backend) -> Option<&'static str> {
    let machine = machine::name();
    let applies = |&&(name, tools, backends, _): &&(&str, &[&str], &[Backend], &str)| {
        machine.ends_with(name) && (tools.is_empty() || tools.contains(&tool)) && backends.contains(&backend)
    };
    REASONS.iter().find(applies).map(|&(_, _, _, reason)| reason)
}

/// A trial for each backend that is not to work, and one for `check`.
pub fn trials(tool: &'static str, candidates: &[Candidate]) -> Vec<Trial> {
    let works = |backend| candidates.iter().any(|c| c.backend == backend && c.skipped.is_none());
    let working = Backend::ALL.into_iter().filter(|&backend| works(backend)).collect::<Vec<_>>();
    let refused = Backend::ALL.into_iter().filter(|&backend| !works(backend));
    let mut trials = refused
        .map(|backend| {
            let working = working.clone();
            Trial::test(format!("{tool}/{}/refused", backend.name()), move || {
                failed(refused_well(tool, backend, &working))
            })
        })
        .collect::<Vec<_>>();
    if machine::name().is_empty() && !works(Backend::Kprobe) {
        trials.push(Trial::test(format!("{tool}/kprobe/refused-to-a-user"), move || {
            failed(refused_for_the_kernel(tool))
        }));
    }
    trials.push(Trial::test(format!("{tool}/check"), move || failed(check_agrees(tool, &working))));
    trials
}

fn failed(result: Result<()>) -> Result<(), libtest_mimic::Failed> {
    result.map_err(|error| format!("{error:#}").into())
}

/// Exit 1 and one line: the cause, and a backend that works.
fn refused_well(tool: &str, backend: Backend, working: &[Backend]) -> Result<()> {
    // Should it work after all, it ends.
    let output = command().args([tool, "--duration", "0.01", "--backend", backend.name()]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{}: {said}", output.status);
    ensure!(output.stdout.is_empty(), "something on stdout");
    ensure!(said.starts_with(&format!("{tool}: ")) && said.lines().count() == 1, "not one line of the tool's: {said}");
    let names_one = working.iter().any(|working| said.contains(&format!("--backend {}", working.name())));
    ensure!(names_one || working.is_empty(), "it does not say what works: {said}");
    if let Some(reason) = reason(tool, backend) {
        ensure!(said.contains(reason), "it does not name {reason}: {said}");
    }
    Ok(())
}

/// What a kernel without kprobes cannot do for root is not to be had with more privileges.
fn refused_for_the_kernel(tool: &str) -> Result<()> {
    let missing = "no kprobes";
    let said = |command: &mut Command| -> Result<String> {
        let output = command.args([tool, "--duration", "0.01", "--backend", "kprobe"]).output()?;
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let to_root = said(&mut command())?;
    let to_user = said(command().uid(65534))?;
    ensure!(to_root.contains(missing) == to_user.contains(missing), "to root: {to_root}, to a user: {to_user}");
    Ok(())
}

/// What is tested here is what `bpftools check` says works.
fn check_agrees(tool: &str, working: &[Backend]) -> Result<()> {
    let output = command().args(["check", "--json"]).output().context("bpftools check")?;
    let report: Value = serde_json::from_slice(&output.stdout).context("what check --json prints")?;
    let tool = &report["tools"][tool];
    for backend in Backend::ALL {
        let says = tool["backends"][backend.name()]["works"].as_str().context("no verdict")?;
        ensure!((says == "yes") == working.contains(&backend), "check says {says} of {}: {report}", backend.name());
    }
    let used = working.first().map(|backend| backend.name());
    ensure!(tool["uses"].as_str() == used, "auto uses {}, not {used:?}", tool["uses"]);
    let tools = report["tools"].as_object().context("no tools")?;
    let each_has_one = tools.values().all(|tool| tool["uses"].is_string());
    ensure!(output.status.code() == Some(i32::from(!each_has_one)), "{}", output.status);
    Ok(())
}
