//! `bpftools check`: what this machine can do, found out by doing it.

use std::io::Write;

use caps::Capability;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::backends::Backend;
use crate::backends::Choice;
use crate::backends::Refusal;
use crate::backends::choose;
use crate::kernel;
use crate::privileges;
use crate::run::start::Probed;
use crate::tools;
use crate::tools::Entry;

/// Each backend of one tool: the form that works, or why none does.
struct ToolReport {
    tool: &'static str,
    backends: Vec<(Backend, Choice<Probed, Refusal>)>,
}

impl ToolReport {
    fn of(entry: &Entry) -> Self {
        let probe = |backend| choose(Some(backend), |form| entry.probe(form));
        Self { tool: entry.name, backends: Backend::ALL.map(|backend| (backend, probe(backend))).into() }
    }

    /// What auto takes.
    fn used(&self) -> Option<Backend> {
        self.backends.iter().find(|(_, choice)| choice.chosen.is_some()).map(|&(backend, _)| backend)
    }
}

/// Prints the report, as one JSON object where `json`. Returns whether every tool has a backend.
///
/// # Errors
/// Stdout cannot be written.
pub fn check(json: bool, out: &mut (impl Write + ?Sized)) -> std::io::Result<bool> {
    let reports: Vec<ToolReport> = tools::ALL.iter().map(ToolReport::of).collect();
    if json {
        writeln!(out, "{}", as_json(&reports))?;
    } else {
        write_text(&reports, out)?;
    }
    Ok(reports.iter().all(|report| report.used().is_some()))
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// Of the capabilities that tracing can use, those that this process has.
fn capabilities() -> Vec<String> {
    [Capability::CAP_SYS_ADMIN, Capability::CAP_BPF, Capability::CAP_PERFMON]
        .into_iter()
        .filter(|&capability| privileges::has(capability))
        .map(|capability| capability.to_string())
        .collect()
}

fn verdict(choice: &Choice<Probed, Refusal>) -> &'static str {
    if choice.chosen.is_some() {
        "yes"
    } else if choice.refused.iter().any(|(_, refusal)| refusal.untested) {
        "untested"
    } else {
        "no"
    }
}

fn write_text(reports: &[ToolReport], out: &mut (impl Write + ?Sized)) -> std::io::Result<()> {
    let capabilities = capabilities();
    writeln!(out, "kernel        {}", kernel::release())?;
    writeln!(out, "architecture  {}", kernel::architecture())?;
    writeln!(out, "capabilities  {}", if capabilities.is_empty() { "none".into() } else { capabilities.join(" ") })?;
    writeln!(out, "lockdown      {}", kernel::Lockdown::current())?;
    writeln!(out, "BTF           {}", yes_no(kernel::has_btf()))?;
    writeln!(out, "IPv6          {}", yes_no(kernel::has_ipv6()))?;
    for report in reports {
        let used = report.used().map_or("no backend works", Backend::name);
        writeln!(out, "\n{}: {used}", report.tool)?;
        for (backend, choice) in &report.backends {
            let form = choice.chosen.as_ref().map_or(String::new(), |probed| format!(", as {}", probed.form));
            writeln!(out, "  {backend:<10}  {}{form}", verdict(choice))?;
            for function in choice.chosen.iter().flat_map(|probed| &probed.lacks) {
                writeln!(out, "              without the programs on {function}, which do not work here")?;
            }
            for caveat in choice.chosen.iter().flat_map(|probed| &probed.caveats) {
                writeln!(out, "              {caveat}")?;
            }
            for (form, refusal) in &choice.refused {
                writeln!(out, "              {form}: {refusal}")?;
            }
        }
    }
    Ok(())
}

fn as_json(reports: &[ToolReport]) -> Value {
    let tools: Map<String, Value> = reports
        .iter()
        .map(|report| {
            let backends: Map<String, Value> = report
                .backends
                .iter()
                .map(|(backend, choice)| (backend.name().into(), backend_as_json(choice)))
                .collect();
            (report.tool.into(), json!({ "uses": report.used().map(Backend::name), "backends": backends }))
        })
        .collect();
    json!({
        "v": 1,
        "kernel": kernel::release(),
        "architecture": kernel::architecture(),
        "capabilities": capabilities(),
        "lockdown": kernel::Lockdown::current().to_string(),
        "btf": kernel::has_btf(),
        "ipv6": kernel::has_ipv6(),
        "tools": tools,
    })
}

fn backend_as_json(choice: &Choice<Probed, Refusal>) -> Value {
    let refused: Vec<Value> = choice
        .refused
        .iter()
        .map(|(form, refusal)| json!({ "form": form.to_string(), "cause": refusal.cause, "remedy": refusal.remedy }))
        .collect();
    let probed = choice.chosen.as_ref();
    json!({
        "works": verdict(choice),
        "form": probed.map(|probed| probed.form.to_string()),
        "without": probed.map_or(&[][..], |probed| &probed.lacks),
        "caveats": probed.map_or(&[][..], |probed| &probed.caveats),
        "refused": refused,
    })
}
