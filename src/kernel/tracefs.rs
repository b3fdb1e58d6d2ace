//! tracefs, by which classic tracepoints are found and attached to.

use std::fs::File;
use std::io;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;

use libbpf_rs::libbpf_sys::PERF_FLAG_FD_CLOEXEC;
use libbpf_rs::libbpf_sys::PERF_TYPE_TRACEPOINT;
use libbpf_rs::libbpf_sys::perf_event_attr;
use nix::fcntl::AT_FDCWD;
use nix::fcntl::OFlag;
use nix::fcntl::openat;
use nix::libc;
use nix::sys::stat::Mode;

use crate::kernel;
use crate::kernel::private_mount;
use crate::kernel::private_mount::owned;

/// Where it is mounted, as a rule.
const PLACES: [&str; 2] = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];

/// The folder of tracefs that has a folder for each tracepoint.
pub struct Events(OwnedFd);

impl Events {
    /// Opens it where it is mounted, or else in a tracefs of our own.
    ///
    /// # Errors
    /// It is neither mounted and readable nor may we mount it.
    pub fn open() -> io::Result<Self> {
        let folder = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        for place in PLACES {
            if let Ok(events) = openat(AT_FDCWD, place, folder, Mode::empty()) {
                return Ok(Self(events));
            }
        }
        // Under lockdown=confidentiality it is empty, and a kernel (6.12) crashes when its last mount goes.
        if !kernel::may_copy() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let root = private_mount::mount(c"tracefs")?;
        Ok(Self(openat(root, "events", folder, Mode::empty())?))
    }

    /// Which fields a tracepoint such as `sock/inet_sock_set_state` has, and where they are.
    pub fn format(&self, tracepoint: &str) -> io::Result<String> {
        self.read(tracepoint, "format")
    }

    /// A perf event of the tracepoint, which a program can be attached to.
    pub fn perf_event(&self, tracepoint: &str) -> io::Result<OwnedFd> {
        let id = self.read(tracepoint, "id")?;
        let attr = perf_event_attr {
            type_: PERF_TYPE_TRACEPOINT,
            size: size_of::<perf_event_attr>() as u32,
            config: id.trim().parse().map_err(io::Error::other)?,
            ..perf_event_attr::default()
        };
        // All processes. A program that is attached to a tracepoint runs on every CPU, even if the event is of one.
        let (pid, cpu, group) = (-1, 0, -1);
        // SAFETY: `attr` is as large as it says.
        owned(unsafe {
            libc::syscall(libc::SYS_perf_event_open, &raw const attr, pid, cpu, group, PERF_FLAG_FD_CLOEXEC)
        })
    }

    fn read(&self, tracepoint: &str, file: &str) -> io::Result<String> {
        let path = format!("{tracepoint}/{file}");
        let read = || {
            let file = openat(self.0.as_fd(), path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
            let mut text = String::new();
            File::from(file).read_to_string(&mut text)?;
            Ok(text)
        };
        read().map_err(|error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}")))
    }
}

/// Whether the tracepoint of this system call can be attached to: not under lockdown=confidentiality,
/// which empties tracefs, nor on kernels without CONFIG_FTRACE_SYSCALLS.
#[must_use]
pub fn has_syscall(tracepoint: &str) -> bool {
    Events::open().is_ok_and(|events| events.read(&format!("syscalls/{tracepoint}"), "id").is_ok())
}
