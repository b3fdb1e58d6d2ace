//! A copy of the binary whose file gives rights to whoever starts it: a user or a group, which is
//! refused, and capabilities, which is how ordinary users may trace.

use std::env;
use std::ffi::CString;
use std::fs;
use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process;
use std::process::Command;
use std::process::Output;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use libtest_mimic::Completion;
use libtest_mimic::Trial;
use nix::errno::Errno;
use nix::sys::resource::RLIM_INFINITY;
use nix::sys::resource::Resource;
use nix::sys::resource::setrlimit;
use nix::unistd::Gid;
use nix::unistd::Uid;
use nix::unistd::geteuid;
use nix::unistd::setgid;
use nix::unistd::setgroups;
use nix::unistd::setuid;
use serde_json::Value;

use crate::common::machine;
use crate::common::tool;

/// Who starts the copies: nobody in particular.
const CALLER: u32 = 12_345;

const PERMITTED: u32 = 0;
/// Permitted, and in effect from the start.
const EFFECTIVE: u32 = 1;

pub fn trials() -> Vec<Trial> {
    let as_root = |name: &str, body: fn() -> Result<Completion>| {
        Trial::ignorable_test(format!("privileges/file/{name}"), move || {
            if !geteuid().is_root() {
                return Ok(Completion::ignored_with("skipped: root is needed"));
            }
            body().map_err(|error| format!("{error:#}").into())
        })
    };
    vec![
        as_root("set-user-id", || refused(0o4755)),
        as_root("set-group-id", || refused(0o2755)),
        as_root("capabilities-ep", || traces(EFFECTIVE)),
        as_root("capabilities-p", || traces(PERMITTED)),
    ]
}

/// A copy in a folder that everybody can reach, removed with it.
struct Copy {
    folder: PathBuf,
    binary: PathBuf,
}

impl Copy {
    fn make() -> Result<Copy> {
        let folder = env::temp_dir().join(format!("bpftools-privileges-{}", process::id()));
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
        let copy = Copy { binary: folder.join("copy"), folder };
        fs::copy(tool::command().get_program(), &copy.binary).context("copying the binary")?;
        copy.set_mode(0o755)?;
        Ok(copy)
    }

    fn set_mode(&self, mode: u32) -> Result<()> {
        fs::set_permissions(&self.binary, Permissions::from_mode(mode)).context("chmod")
    }

    /// As setcap(8) does it: struct vfs_cap_data, version 2.
    fn set_capabilities(&self, kind: u32) -> Result<(), Errno> {
        const VERSION_2: u32 = 0x0200_0000;
        const PERFMON_AND_BPF: u32 = 0b11 << (38 - 32);
        let words = [VERSION_2 | kind, 0, 0, PERFMON_AND_BPF, 0].map(u32::to_le);
        let path = CString::new(self.binary.as_os_str().as_bytes()).expect("a path");
        let (name, size) = (c"security.capability".as_ptr(), size_of_val(&words));
        // SAFETY: two strings that end, and `size` bytes of words.
        let result = unsafe { libc::setxattr(path.as_ptr(), name, words.as_ptr().cast(), size, 0) };
        Errno::result(result).map(drop)
    }

    /// What comes of it where an ordinary user starts it.
    fn started(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.binary);
        command.args(args).env_clear().current_dir("/");
        // SAFETY: system calls alone, between fork and exec.
        unsafe {
            command.pre_exec(|| {
                // Before 5.11 BPF memory counts as locked memory. Where the limit cannot be raised, bpf(2) says so.
                let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
                setgroups(&[])?;
                setgid(Gid::from_raw(CALLER))?;
                setuid(Uid::from_raw(CALLER))?;
                Ok(())
            });
        }
        command.output().with_context(|| format!("{command:?}"))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whatever it is asked for: exit 1 and one line, nothing else, and nothing done.
fn refused(mode: u32) -> Result<Completion> {
    let copy = Copy::make()?;
    let links = copy.folder.join("links");
    fs::create_dir(&links)?;
    fs::set_permissions(&links, Permissions::from_mode(0o777))?;
    let install = ["--install", path(&links)?, "-s"];
    let asked: [&[&str]; 5] = [&[], &["--no-such-option"], &["check"], &["tcpconnect", "--help"], &install];
    for args in asked {
        ensure!(copy.started(args)?.status.code() != Some(1) || args == ["check"], "{args:?} fails in any case");
    }
    fs::remove_dir_all(&links)?;
    fs::create_dir(&links)?;
    fs::set_permissions(&links, Permissions::from_mode(0o777))?;
    copy.set_mode(mode)?;
    for args in asked {
        let output = copy.started(args)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(1), "{args:?}: {}: {said}", output.status);
        ensure!(output.stdout.is_empty(), "{args:?}: something on stdout");
        ensure!(said.lines().count() == 1 && said.contains("set-user-ID"), "{args:?}: {said}");
    }
    ensure!(fs::read_dir(&links)?.next().is_none(), "it made a link");
    Ok(Completion::Completed)
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

fn traces(kind: u32) -> Result<Completion> {
    if !machine::has_btf() {
        return Ok(Completion::ignored_with("skipped: without BTF a user also needs a readable tracefs"));
    }
    let copy = Copy::make()?;
    match copy.set_capabilities(kind) {
        Ok(()) => {}
        Err(Errno::EOPNOTSUPP) => {
            return Ok(Completion::ignored_with("skipped: files here cannot have capabilities"));
        }
        Err(error) => return Err(error).context("setxattr"),
    }
    let output = copy.started(&["tcpconnect", "-v", "--backend", "tracepoint", "--duration", "0.01"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", output.status);
    let output = copy.started(&["check", "--json"])?;
    let report: Value = serde_json::from_slice(&output.stdout).context("what check --json prints")?;
    ensure!(report["capabilities"] == serde_json::json!(["CAP_BPF", "CAP_PERFMON"]), "{report}");
    let works = &report["tools"]["tcpconnect"]["backends"]["tracepoint"]["works"];
    ensure!(works == "yes", "check says {works}");
    Ok(Completion::Completed)
}
