//! What the kernel says of a running tool, in /proc/PID/status and that of each of its threads.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
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
use seccompiler::BpfProgram;
use seccompiler::SeccompAction;
use seccompiler::SeccompFilter;

use super::failed;
use super::has_landlock;
use crate::common::backend::Backend;
use crate::common::every_case;
use crate::common::mode::Mode;
use crate::common::subject::Subject;
use crate::common::tool::PATIENCE;
use crate::common::tool::command;

const SETPCAP: u64 = 1 << 8;
const SYS_ADMIN: u64 = 1 << 21;
const SYS_RESOURCE: u64 = 1 << 24;
const BPF: u64 = 1 << 39;

/// How root starts the tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Plainly,
    BySudo,
    /// With two capabilities of root's alone, as `docker run --cap-add` can do it: with these it can trace, but
    /// not give up what takes others.
    WithoutTheOthers,
    /// As a container's seccomp profile has it, which refuses unshare(2) to those without CAP_SYS_ADMIN.
    UnderAProfile,
}

/// Whom sudo names.
const CALLER: &str = "12345";

/// Each mode once as it is, and one of them by other ways to start.
pub fn trials<S: Subject>(backend: Backend) -> Vec<Trial> {
    let trial = |name: &str, mode: &'static Mode, start: Start| {
        let name = format!("{}/{}/privileges/{name}", S::TOOL, backend.name());
        Trial::test(name, move || failed(holds_nothing::<S>(backend, mode, start)))
    };
    let modes = every_case::modes::<S>();
    let other = modes.iter().copied().find(|mode| S::waits(mode)).unwrap_or(modes[0]);
    let mut trials: Vec<_> = modes.into_iter().map(|mode| trial(mode.name, mode, Start::Plainly)).collect();
    if geteuid().is_root() {
        trials.push(trial("sudo", other, Start::BySudo));
        trials.push(trial("sys-admin", other, Start::WithoutTheOthers));
        trials.push(trial("profile", other, Start::UnderAProfile));
    }
    trials
}

fn holds_nothing<S: Subject>(backend: Backend, mode: &Mode, start: Start) -> Result<()> {
    let tool = S::TOOL;
    let mut command = command();
    command.args([tool, "-v", "--backend", backend.name()]).args(mode.args);
    command.env_remove("SUDO_UID").env_remove("SUDO_GID");
    match start {
        Start::Plainly | Start::UnderAProfile => {}
        Start::BySudo => drop(command.env("SUDO_UID", CALLER).env("SUDO_GID", CALLER)),
        // SAFETY: system calls alone, between fork and exec.
        Start::WithoutTheOthers => drop(unsafe { command.pre_exec(|| bound(SYS_ADMIN | SYS_RESOURCE)) }),
    }
    if start == Start::UnderAProfile {
        let profile = profile()?;
        // SAFETY: system calls alone, between fork and exec.
        unsafe { command.pre_exec(move || seccompiler::apply_filter(&profile).map_err(std::io::Error::other)) };
    }
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut run = Run(child);
    let was = read(Path::new("/proc/self/status"))?;
    let filters = was["Seccomp_filters"].parse::<u32>()? + u32::from(start == Start::UnderAProfile);
    let status = run.wait_until_it_gave_up(filters)?;

    let user = match start {
        _ if !geteuid().is_root() => was["Uid"].clone(),
        Start::Plainly | Start::UnderAProfile => ["65534"; 4].join("\t"),
        Start::BySudo => [CALLER; 4].join("\t"),
        Start::WithoutTheOthers => ["0"; 4].join("\t"),
    };
    is("Uid", &user, &status)?;
    if geteuid().is_root() {
        is("Gid", &user, &status)?;
    }
    if geteuid().is_root() && start != Start::WithoutTheOthers {
        is("Groups", "", &status)?;
    }
    for set in ["CapInh", "CapAmb"] {
        is(set, &hex(0), &status)?;
    }
    let reader = if start == Start::WithoutTheOthers { SYS_ADMIN } else { BPF };
    let kept = match asks()? {
        false => 0,
        true if S::waits(mode) => reader,
        true => capabilities(&status["CapEff"])? & reader, // backends differ in what else they read
    };
    for set in ["CapPrm", "CapEff"] {
        is(set, &hex(kept), &status)?;
    }
    let bounding = match start {
        Start::WithoutTheOthers => capabilities(&was["CapBnd"])? & (SYS_ADMIN | SYS_RESOURCE),
        _ if capabilities(&was["CapEff"])? & SETPCAP != 0 => 0,
        _ => capabilities(&was["CapBnd"])?,
    };
    is("CapBnd", &hex(bounding), &status)?;
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
    if start == Start::WithoutTheOthers {
        if !was["Groups"].is_empty() {
            tells("the supplementary groups: CAP_SETGID is missing")?;
        }
        tells("group 0: CAP_SETGID is missing")?;
        tells("user 0: CAP_SETUID is missing")?;
    }
    if bounding != 0 {
        tells("the bounding set of capabilities: CAP_SETPCAP is missing")?;
        tells("what user 0 means to capabilities: CAP_SETPCAP is missing")?;
    }
    if kept != 0 {
        tells(if kept == BPF { "CAP_BPF: " } else { "CAP_SYS_ADMIN: " })?;
    }
    if !has_landlock() {
        tells("the files that its user may open: this kernel has no Landlock")?;
    }
    ensure!(told.is_empty(), "it kept more: {told:?}");
    Ok(())
}

/// Kernels before 5.19 ask for a capability where something is read by bpf(2). Everywhere else none is kept.
fn asks() -> Result<bool> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split(['.', '-']).map(|number| number.parse::<u32>().unwrap_or_default());
    Ok((numbers.next(), numbers.next()) < (Some(5), Some(19)))
}

/// Before exec: leaves this bounding set, and so, to root, no more capabilities.
fn bound(set: u64) -> std::io::Result<()> {
    for number in (0..64).filter(|number| set & 1 << number == 0) {
        // SAFETY: numbers.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) }; // EINVAL: there is none of that number
    }
    Ok(())
}

/// Everything but unshare(2).
fn profile() -> Result<BpfProgram> {
    let rules = BTreeMap::from([(libc::SYS_unshare, Vec::new())]);
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?;
    Ok(filter.try_into()?)
}

/// A running tool; killed if it is dropped.
struct Run(Child);

impl Run {
    fn path(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.0.id().to_string()).join(file)
    }

    /// What it is after the last step, which is the list of system calls: one filter more than `filters`.
    fn wait_until_it_gave_up(&mut self, filters: u32) -> Result<Status> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait()? {
                bail!("it ended with {status} before it gave up its privileges");
            }
            let status = read(&self.path("status"))?;
            if status["Seccomp_filters"].parse::<u32>()? > filters {
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
