//! What the kernel says of a running tool, in /proc/PID/status and that of each of its threads.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use nix::unistd::geteuid;

use super::failed;
use super::has_landlock;
use crate::common::backend::Backend;
use crate::common::mode::Mode;
use crate::common::subject::Subject;
use crate::common::tool::PATIENCE;
use crate::common::tool::command;

const SETPCAP: u64 = 1 << 8;
const BPF: u64 = 1 << 39;

/// Each mode once as it is, and the first also as sudo starts it.
pub fn trials<S: Subject>(backend: Backend) -> Vec<Trial> {
    let trial = |name: &str, mode: &'static Mode, sudo: Option<&'static str>| {
        let name = format!("{}/privileges/{name}", backend.name());
        Trial::test(name, move || failed(holds_nothing(S::TOOL, backend, mode, sudo)))
    };
    let modes = S::modes();
    let first = modes[0];
    let mut trials: Vec<_> = modes.into_iter().map(|mode| trial(mode.name, mode, None)).collect();
    trials.push(trial("sudo", first, Some("12345")));
    trials
}

fn holds_nothing(tool: &str, backend: Backend, mode: &Mode, sudo: Option<&str>) -> Result<()> {
    let mut command = command();
    command.args([tool, "-v", "--backend", backend.name()]).args(mode.args);
    command.env_remove("SUDO_UID").env_remove("SUDO_GID");
    if let Some(id) = sudo {
        command.env("SUDO_UID", id).env("SUDO_GID", id);
    }
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut run = Run(child);
    let status = run.wait_until_it_gave_up()?;
    let was = read(Path::new("/proc/self/status"))?;

    let user = match sudo {
        _ if !geteuid().is_root() => was["Uid"].clone(),
        Some(id) => [id; 4].join("\t"),
        None => ["65534"; 4].join("\t"),
    };
    is("Uid", &user, &status)?;
    if geteuid().is_root() {
        is("Gid", &user, &status)?;
        is("Groups", "", &status)?;
    }
    for set in ["CapInh", "CapAmb"] {
        is(set, &hex(0), &status)?;
    }
    let bpf = keeps_bpf(backend, mode, &status)?;
    for set in ["CapPrm", "CapEff"] {
        is(set, &hex(if bpf { BPF } else { 0 }), &status)?;
    }
    let may_empty_it = capabilities(&was["CapEff"])? & SETPCAP != 0;
    is("CapBnd", if may_empty_it { "0000000000000000" } else { &was["CapBnd"] }, &status)?;
    is("NoNewPrivs", "1", &status)?;
    is("Seccomp", "2", &status)?;
    is("Threads", "1", &status)?;
    // The files of who may be traced belong to its user.
    let owner = fs::metadata(run.path("environ"))?.uid();
    ensure!(owner == 0, "it may be traced: its files in /proc are those of user {owner}");

    kill(Pid::from_raw(run.0.id() as i32), Signal::SIGINT)?;
    let stderr = std::io::read_to_string(run.0.stderr.take().context("its standard error")?)?;
    let ended = run.0.wait()?;
    ensure!(ended.success(), "{ended}: {stderr}");
    let mut told = stderr.lines().filter_map(|line| line.strip_prefix(&format!("{tool}: kept "))).collect::<Vec<_>>();
    let mut tells = |what: &str| -> Result<()> {
        let line = told.iter().position(|line| line.starts_with(what)).with_context(|| format!("{what}: {stderr}"))?;
        told.remove(line);
        Ok(())
    };
    if !may_empty_it {
        tells("the bounding set of capabilities: CAP_SETPCAP is missing")?;
        tells("what user 0 means to capabilities: CAP_SETPCAP is missing")?;
    }
    if bpf {
        tells("CAP_BPF: ")?;
    }
    if !has_landlock() {
        tells("the files that its user may open: this kernel has no Landlock")?;
    }
    ensure!(told.is_empty(), "it kept more: {told:?}");
    Ok(())
}

/// Kernels before 5.19 ask for CAP_BPF where something is read by bpf(2). Everywhere else nothing is kept.
fn keeps_bpf(backend: Backend, mode: &Mode, status: &Status) -> Result<bool> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split(['.', '-']).map(|number| number.parse::<u32>().unwrap_or_default());
    let asks = (numbers.next(), numbers.next()) < (Some(5), Some(19));
    let may_read = backend == Backend::Kprobe || mode.waits() || mode.lport;
    Ok(asks && may_read && capabilities(&status["CapEff"])? == BPF)
}

/// A running tool; killed if it is dropped.
struct Run(Child);

impl Run {
    fn path(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.0.id().to_string()).join(file)
    }

    /// What it is after the last step, which is the list of system calls.
    fn wait_until_it_gave_up(&mut self) -> Result<Status> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait()? {
                bail!("it ended with {status} before it gave up its privileges");
            }
            let status = read(&self.path("status"))?;
            if status["Seccomp"] == "2" {
                let threads = fs::read_dir(self.path("task"))?.collect::<Result<Vec<_>, _>>()?;
                ensure!(threads.len() == 1, "it has {} threads", threads.len());
                return read(&threads[0].path().join("status"));
            }
            ensure!(Instant::now() < deadline, "it did not give up its privileges: {status:?}");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It is a child not yet waited for, or these do nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

type Status = BTreeMap<String, String>;

fn read(path: &Path) -> Result<Status> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    Ok(lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
}

fn is(name: &str, wanted: &str, status: &Status) -> Result<()> {
    let got = status.get(name).with_context(|| format!("no {name}"))?;
    ensure!(got == wanted, "{name} is {got:?}, not {wanted:?}");
    Ok(())
}

fn capabilities(set: &str) -> Result<u64> {
    u64::from_str_radix(set, 16).with_context(|| set.to_owned())
}

fn hex(set: u64) -> String {
    format!("{set:016x}")
}
