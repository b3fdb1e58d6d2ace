//! What the running kernel says of itself. These facts explain and report; whether a backend works is
//! never read off them but tried.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::Func;
use nix::sys::stat::major;
use nix::sys::stat::minor;
use nix::sys::utsname::uname;

/// What the kernel forbids even to root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lockdown {
    None,
    Integrity,
    Confidentiality,
    /// Nothing says so: the kernel has no lockdown, or securityfs is not mounted.
    Unknown,
}

impl Lockdown {
    /// The mode in brackets of `none [integrity] confidentiality`; where securityfs is not mounted,
    /// what the kernel was booted with.
    #[must_use]
    pub fn current() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let modes = read("/sys/kernel/security/lockdown");
        let boot = read("/proc/cmdline");
        let mode = match modes.split_once('[') {
            Some((_, rest)) => rest.split(']').next(),
            None => boot.split_whitespace().find_map(|word| word.strip_prefix("lockdown=")),
        };
        match mode {
            Some("none") => Self::None,
            Some("integrity") => Self::Integrity,
            Some("confidentiality") => Self::Confidentiality,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Lockdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Integrity => "integrity",
            Self::Confidentiality => "confidentiality",
            Self::Unknown => "unknown",
        })
    }
}

/// The kernel's release, `6.1.0-56-cloud-amd64` say.
#[must_use]
pub fn release() -> String {
    uname().map_or_else(|_| "unknown".into(), |name| name.release().to_string_lossy().into_owned())
}

/// The machine's architecture, `x86_64` say.
#[must_use]
pub fn architecture() -> String {
    uname().map_or_else(|_| "unknown".into(), |name| name.machine().to_string_lossy().into_owned())
}

/// Whether the kernel describes its own types (CONFIG_DEBUG_INFO_BTF).
#[must_use]
pub fn has_btf() -> bool {
    Path::new("/sys/kernel/btf/vmlinux").exists()
}

/// Whether the kernel's BTF has a function of this name; false without BTF.
#[must_use]
pub fn has_function(name: &str) -> bool {
    Btf::from_vmlinux().is_ok_and(|btf| btf.type_by_name::<Func<'_>>(name).is_some())
}

/// Whether IPv6 sockets can exist: false with CONFIG_IPV6=n and with ipv6.disable=1.
#[must_use]
pub fn has_ipv6() -> bool {
    Path::new("/proc/net/if_inet6").exists()
}

/// Whether the kernel can put probes on functions by perf events (CONFIG_KPROBE_EVENTS).
#[must_use]
pub fn has_kprobes() -> bool {
    Path::new("/sys/bus/event_source/devices/kprobe").exists()
}

/// The PID namespace of this process as the device (in the kernel's own encoding) and the inode of
/// its file, `None` in the initial one, whose inode is a constant (PROC_PID_INIT_INO).
#[must_use]
pub fn pid_namespace() -> Option<(u64, u64)> {
    const INITIAL: u64 = 0xeffffffc;
    let file = fs::metadata("/proc/self/ns/pid").ok()?;
    let device = major(file.dev()) << 20 | minor(file.dev());
    (file.ino() != INITIAL).then(|| (device, file.ino()))
}
