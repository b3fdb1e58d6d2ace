//! tracefs, which classic tracepoints are found and attached through.

use std::io;
use std::path::Path;

use nix::mount::MsFlags;
use nix::mount::mount;
use nix::sched::CloneFlags;
use nix::sched::unshare;
use once_cell::sync::OnceCell;

/// Where libbpf looks for it.
const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Where tracefs is. Where nobody mounted it, it is mounted in a mount namespace of our own, which
/// changes nothing for the rest of the machine.
///
/// # Errors
/// It is neither mounted and readable nor may we mount it.
pub fn path() -> io::Result<&'static Path> {
    static PATH: OnceCell<&'static Path> = OnceCell::new();
    PATH.get_or_try_init(|| mounted().map_or_else(mount_privately, Ok)).copied()
}

/// Whether the syscall tracepoint `name` can be attached to: not under lockdown=confidentiality,
/// which empties tracefs, nor on kernels without CONFIG_FTRACE_SYSCALLS.
#[must_use]
pub fn has_syscall(name: &str) -> bool {
    path().is_ok_and(|path| path.join("events/syscalls").join(name).join("id").exists())
}

fn mounted() -> Option<&'static Path> {
    PLACES.map(Path::new).into_iter().find(|path| path.join("events").exists())
}

fn mount_privately() -> io::Result<&'static Path> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    mount(Some("tracefs"), PLACES[0], Some("tracefs"), MsFlags::empty(), None::<&str>)?;
    Ok(Path::new(PLACES[0]))
}
