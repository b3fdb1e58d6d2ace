//! The tool where something is hidden that it must not rely on: it shows the same, and says the same.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use libtest_mimic::Completion;
use libtest_mimic::Trial;
use nix::errno::Errno;
use nix::mount::MntFlags;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::mount::umount2;
use nix::sched::CloneFlags;
use nix::sched::unshare;

use super::backend::Backend;
use super::mode::Format;
use super::run;
use super::setup::Setup;
use super::subject::Subject;
use super::tool::Output;
use super::tool::Tool;
use super::tool::command;

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// A function that the kernel may not have, what else it then may not have, and what comes of it.
pub struct Absent {
    pub name: &'static str,
    pub names: &'static [&'static str],
    /// The remedy, if the backend is refused.
    pub refused: Option<&'static str>,
}

pub fn trials<S: Subject>(backend: Backend) -> Vec<Trial> {
    type Body = Box<dyn FnOnce() -> Result<()> + Send>;
    let mut bodies: Vec<(&str, Body)> = vec![
        ("mounts", Box::new(move || shows_the_same::<S>(backend, hide_mounts))),
        ("proc", Box::new(move || shows_the_same::<S>(backend, hide_proc))),
    ];
    if backend == Backend::Tracepoint {
        bodies.push(("host-unmounts", Box::new(move || lets_go_of_mounts::<S>(backend)))); // it alone needs tracefs
    }
    for absent in S::ABSENT.iter().filter(|_| backend == Backend::Fentry) {
        bodies.push((absent.name, Box::new(move || does_without::<S>(absent, backend))));
    }
    let trial = |(name, body): (&str, Body)| {
        let name = format!("{}/{}/surroundings/{name}", S::TOOL, backend.name());
        Trial::ignorable_test(name, move || match own_mounts(body) {
            Ok(()) => Ok(Completion::Completed),
            Err(error) if error.downcast_ref() == Some(&Errno::EPERM) => {
                Ok(Completion::ignored_with("skipped: a mount namespace takes root"))
            }
            Err(error) => Err(format!("{error:#}").into()),
        })
    };
    bodies.into_iter().map(trial).collect()
}

/// In a thread with a mount namespace of its own, which what it starts shares.
fn own_mounts(body: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    let body = || {
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)?;
        body()
    };
    thread::spawn(body).join().expect("it does not panic")
}

/// /proc has processes alone, and neither tracefs nor securityfs is mounted.
fn hide_mounts() -> Result<()> {
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), Some("subset=pid")).context("/proc")?;
    for folder in ["/sys/kernel/tracing", "/sys/kernel/debug", "/sys/kernel/security"] {
        mount(Some("none"), folder, Some("tmpfs"), MsFlags::empty(), None::<&str>).context(folder)?;
    }
    Ok(())
}

fn hide_proc() -> Result<()> {
    umount2("/proc", MntFlags::MNT_DETACH).context("/proc")
}

fn shows_the_same<S: Subject>(backend: Backend, hide: fn() -> Result<()>) -> Result<()> {
    let before = shows::<S>(backend)?;
    let said = before.1.join("\n");
    let hides = Setup::here(backend, &said).hides_nested_pids();
    ensure!(said.contains("PID namespaces below this one have the PID 0") == hides, "hides PIDs: {hides}, but {said}");
    hide()?;
    let after = shows::<S>(backend)?;
    ensure!(before == after, "before: {before:#?}, with that hidden: {after:#?}");
    Ok(())
}

/// The versions of IP that it shows a connection of, all that there are; and what it says.
fn shows<S: Subject>(backend: Backend) -> Result<(Vec<u8>, Vec<String>)> {
    let (output, made) = trace::<S>(backend)?;
    S::shows_connections(&output, &made)?;
    Ok((made, output.stderr))
}

fn start<S: Subject>(backend: Backend, more: &[&str]) -> Result<Tool> {
    let args = [S::TOOL, "--backend", backend.name()];
    Tool::start(&[&args, S::takes_tracefs(backend), more].concat())
}

/// Connects to itself.
fn trace<S: Subject>(backend: Backend) -> Result<(Output, Vec<u8>)> {
    let only = S::only(process::id());
    let only = only.iter().map(String::as_str).collect::<Vec<_>>();
    let tool = start::<S>(backend, &[&["--json"], &only[..]].concat())?;
    let mut made = Vec::new();
    for (ip, at) in [(4, "127.0.0.1:0"), (6, "[::1]:0")] {
        let Ok(listener) = TcpListener::bind(at) else { continue };
        let _ends = (TcpStream::connect(listener.local_addr()?)?, listener.accept()?);
        made.push(ip);
    }
    ensure!(made.contains(&4), "no loopback");
    Ok((tool.stop()?, made))
}

/// What the machine unmounts while the tool runs is unmounted.
fn lets_go_of_mounts<S: Subject>(backend: Backend) -> Result<()> {
    hide_mounts()?;
    let folder = env::temp_dir().join(format!("bpftools-test-{}", process::id()));
    fs::create_dir_all(&folder)?;
    mount(Some("none"), &folder, Some("tmpfs"), MsFlags::empty(), None::<&str>).context("a tmpfs")?;
    let tool = start::<S>(backend, &[])?;
    let is_mounted = || -> Result<bool> {
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", tool.id()))?;
        Ok(mounts.contains(folder.to_str().context("its name")?))
    };
    ensure!(is_mounted()?, "the tool does not have what is mounted where it was started");
    umount2(&folder, MntFlags::empty()).context("unmounting")?;
    ensure!(!is_mounted()?, "the tool still has it");
    fs::remove_dir(&folder)?;
    tool.stop().map(drop)
}

/// As the kernel describes itself, it has no such things.
fn does_without<S: Subject>(absent: &Absent, backend: Backend) -> Result<()> {
    let btf = describe_without(absent.names)?;
    mount(Some(&btf), VMLINUX, None::<&str>, MsFlags::MS_BIND, None::<&str>).context("bind mount")?;
    fs::remove_file(&btf)?;
    let function = absent.names[0];
    if let Some(remedy) = absent.refused {
        let output = command().args([S::TOOL, "--backend", backend.name(), "--duration", "0.1"]).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(!output.status.success() && said.contains(function), "{}: {said}", output.status);
        let check = command().arg("check").output()?;
        let said = String::from_utf8_lossy(&check.stdout);
        ensure!(said.contains(remedy), "check: {said}");
        return Ok(());
    }
    let (output, _) = trace::<S>(backend)?;
    let (rows, _) = run::read(S::TOOL, Format::Json, &output.stdout)?;
    ensure!(rows.iter().any(|row| row.number("ip") == Some(4)), "no row of IPv4");
    let left_out = format!("without the programs on {function}");
    ensure!(output.stderr.iter().any(|line| line.contains(&left_out)), "{}", output.stderr.join("\n"));
    let check = command().args(["check", "--json"]).output()?;
    let report: serde_json::Value = serde_json::from_slice(&check.stdout)?;
    let without = &report["tools"][S::TOOL]["backends"][backend.name()]["without"];
    ensure!(*without == serde_json::json!([function]), "check: {without}");
    Ok(())
}

/// The kernel's types and functions, these by other names.
fn describe_without(names: &[&str]) -> Result<PathBuf> {
    let mut btf = fs::read(VMLINUX)?;
    for name in names {
        let whole = [b"\0", name.as_bytes(), b"\0"].concat();
        let at = btf.windows(whole.len()).position(|window| window == whole).context("it is not there")?;
        btf[at + 1] = b'X';
    }
    let path = env::temp_dir().join(format!("bpftools-test-{}.btf", process::id()));
    fs::write(&path, btf)?;
    Ok(path)
}
