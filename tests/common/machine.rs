//! What this machine has: which backends are to be tested, and which oddities explain what is missing.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use nix::unistd::geteuid;

use super::backend::Backend;
use super::refusals;
use super::tool::command;

/// A backend, and why it is not tested here; `None` if it is.
pub struct Candidate {
    pub backend: Backend,
    pub skipped: Option<String>,
}

/// BPFTOOLS_EXPECT names the backends that must work. Without it, those that do work are tested,
/// and tracepoint always is.
pub fn candidates(tool: &str) -> Result<Vec<Candidate>> {
    let must = env::var("BPFTOOLS_EXPECT").ok();
    let candidate = |backend: Backend| {
        let skipped = match &must {
            Some(_) if refusals::reason(tool, backend).is_some() => Some("it cannot work here".to_owned()),
            Some(names) if names.split(',').any(|name| name == backend.name()) => None,
            Some(_) => Some("BPFTOOLS_EXPECT does not name it".to_owned()),
            None if backend == Backend::Tracepoint => None,
            None => refusal(tool, backend)?,
        };
        Ok(Candidate { backend, skipped })
    };
    Backend::ALL.into_iter().map(candidate).collect()
}

/// What the tool says when it cannot use the backend here.
fn refusal(tool: &str, backend: Backend) -> Result<Option<String>> {
    let args = [tool, "--duration", "0.01", "--backend", backend.name()];
    let output = command().args(args).output().context("running bpftools")?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok((!output.status.success()).then_some(said))
}

/// BPFTOOLS_MACHINE names the virtual machine that this is; empty elsewhere.
pub fn name() -> String {
    env::var("BPFTOOLS_MACHINE").unwrap_or_default()
}

/// Whether nothing but the tests runs here.
pub fn is_ours_alone() -> bool {
    !name().is_empty()
}

/// Without a machine's promise of what works, nobody but root is promised anything.
pub fn is_usable() -> bool {
    geteuid().is_root() || env::var_os("BPFTOOLS_EXPECT").is_some()
}

pub fn is_confidential() -> bool {
    let command_line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    command_line.split_whitespace().any(|word| word == "lockdown=confidentiality")
}

/// Whether there are PID namespaces above this one.
pub fn is_in_pid_namespace() -> bool {
    const INITIAL: u64 = 0xeffffffc; // PROC_PID_INIT_INO
    fs::metadata("/proc/self/ns/pid").expect("/proc").ino() != INITIAL
}

/// The kernel's version, as far as differences go by it.
pub fn kernel() -> (u32, u32) {
    let release = nix::sys::utsname::uname().expect("uname").release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map_while(|part| part.parse().ok());
    (numbers.next().expect("a major version"), numbers.next().expect("a minor version"))
}

pub fn has_btf() -> bool {
    Path::new("/sys/kernel/btf/vmlinux").exists()
}

/// Lockdown empties tracefs, and by default root alone may read it.
pub fn shows_tracefs() -> bool {
    geteuid().is_root() && !is_confidential()
}
