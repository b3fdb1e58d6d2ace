//! What the running kernel is and allows. Whether a backend works is never read off these facts but
//! tried; most of them only explain and report.

pub mod btf;
pub mod clock;
pub mod counters;
pub mod event;
pub mod maps;
pub mod private_mount;
pub mod programs;
pub mod ring;
pub mod samples;
pub mod tracefs;
/// The structs that every tool's object shares with user space: bpf/shared.bpf.c.
#[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks)]
pub mod types {
    include!(concat!(env!("OUT_DIR"), "/shared.rs"));
}

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::OnceLock;

use libbpf_rs::libbpf_sys;
use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::fcntl::AtFlags;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockType;
use nix::sys::socket::socket;
use nix::sys::stat::FileStat;
use nix::sys::stat::fstatat;
use nix::sys::stat::major;
use nix::sys::stat::minor;
use nix::sys::utsname::uname;
use once_cell::sync::OnceCell;

/// What the kernel forbids even to root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lockdown {
    None,
    Integrity,
    Confidentiality,
    /// Nothing forbids reading kernel memory. Whether anything else is locked down is not known, as securityfs is
    /// not mounted.
    Unknown,
}

impl Lockdown {
    /// Confidentiality is found out by what it forbids. The others forbid nothing that tracing needs, and
    /// are read from a file, as the mode in brackets of `none [integrity] confidentiality`.
    #[must_use]
    pub fn current() -> Self {
        if !may_copy() {
            return Self::Confidentiality;
        }
        let modes = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
        match modes.split_once('[').and_then(|(_, rest)| rest.split(']').next()) {
            Some("none") => Self::None,
            Some("integrity") => Self::Integrity,
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

/// Whether programs may copy kernel memory (bpf_probe_read_kernel), which lockdown=confidentiality
/// forbids. We try to load a program that does, and never run it. True also where we may not load any.
#[must_use]
pub fn may_copy() -> bool {
    static MAY: OnceLock<bool> = OnceLock::new();
    *MAY.get_or_init(|| load_copying_program() != Err(Errno::EINVAL))
}

fn load_copying_program() -> Result<(), Errno> {
    let instruction = |code, registers: [u8; 1], off, imm| libbpf_sys::bpf_insn {
        code,
        _bitfield_1: libbpf_sys::__BindgenBitfieldUnit::new(registers),
        off,
        imm,
        ..libbpf_sys::bpf_insn::default()
    };
    // Of a byte of registers the lower half is the destination.
    let program = [
        instruction(0xbf, [0xa1], 0, 0),                                             // r1 = r10
        instruction(0x07, [0x01], 0, -8),                                            // r1 += -8
        instruction(0xb7, [0x02], 0, 8),                                             // r2 = 8
        instruction(0xb7, [0x03], 0, 0),                                             // r3 = 0
        instruction(0x85, [0x00], 0, libbpf_sys::BPF_FUNC_probe_read_kernel as i32), // call
        instruction(0xb7, [0x00], 0, 0),                                             // r0 = 0
        instruction(0x95, [0x00], 0, 0),                                             // exit
    ];
    let kind = libbpf_sys::BPF_PROG_TYPE_TRACEPOINT;
    // SAFETY: strings that end, and as many instructions as it says.
    let fd = unsafe {
        libbpf_sys::bpf_prog_load(
            kind,
            c"may_copy".as_ptr(),
            c"GPL".as_ptr(),
            program.as_ptr(),
            program.len() as libbpf_sys::size_t,
            std::ptr::null_mut(),
        )
    };
    if fd < 0 {
        return Err(Errno::from_raw(-fd));
    }
    // SAFETY: just made, and nobody else knows of it.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(())
}

/// What the kernel has of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv6 {
    /// Built without: there can be no IPv6 socket.
    Never,
    BuiltIn,
    /// Whether it is loaded or not.
    Module,
}

impl Ipv6 {
    /// By the kernel's own types and functions: sockets have room for IPv6 addresses unless it is built
    /// without. `None` where it has no BTF.
    #[must_use]
    pub fn of_kernel() -> Option<Self> {
        let btf = btf::KernelBtf::get().ok()?;
        Some(if !btf.has_member("sock_common", "skc_v6_daddr")? {
            Self::Never
        } else if btf.has_function("tcp_v6_connect") {
            Self::BuiltIn
        } else {
            Self::Module
        })
    }
}

/// Whether an IPv6 socket can be made now.
#[must_use]
pub fn has_ipv6() -> bool {
    socket(AddressFamily::Inet6, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).is_ok()
}

/// Whether the kernel can put probes on functions by perf events (CONFIG_KPROBE_EVENTS).
#[must_use]
pub fn has_kprobes() -> bool {
    Path::new("/sys/bus/event_source/devices/kprobe").exists()
}

/// The PID namespace of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PidNamespace {
    Initial,
    /// The device, in the kernel's own encoding, and the inode of its file.
    Nested {
        device: u64,
        inode: u64,
    },
    /// There is no /proc, and we may not mount one.
    Unknown,
}

impl PidNamespace {
    #[must_use]
    pub fn current() -> Self {
        const INITIAL: u64 = 0xeffffffc; // PROC_PID_INIT_INO
        match own_namespace() {
            Err(_) => Self::Unknown,
            Ok(FileStat { st_ino: INITIAL, .. }) => Self::Initial,
            Ok(file) => Self::Nested { device: major(file.st_dev) << 20 | minor(file.st_dev), inode: file.st_ino },
        }
    }
}

fn own_namespace() -> io::Result<&'static FileStat> {
    static OWN: OnceCell<FileStat> = OnceCell::new();
    let follow = AtFlags::empty();
    OWN.get_or_try_init(|| {
        fstatat(AT_FDCWD, "/proc/self/ns/pid", follow).or_else(|_| {
            let proc = private_mount::mount(c"proc")?;
            Ok(fstatat(proc, "self/ns/pid", follow)?)
        })
    })
}
