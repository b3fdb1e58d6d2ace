//! What a running tool may still do: as the kernel says it, and as trying shows it.

mod files;
pub mod inside;
mod status;

use std::os::fd::RawFd;
use std::ptr;

use anyhow::Result;
use libtest_mimic::Trial;

use super::backend::Backend;
use super::subject::Subject;

/// Trials of the machine, whatever the backend.
pub fn trials() -> Vec<Trial> {
    inside::trials().into_iter().chain(files::trials()).collect()
}

/// Trials of a backend that works.
pub fn trials_of<S: Subject>(backend: Backend) -> Vec<Trial> {
    status::trials::<S>(backend)
}

fn failed(result: Result<()>) -> Result<(), libtest_mimic::Failed> {
    result.map_err(|error| format!("{error:#}").into())
}

/// Whether the kernel has Landlock (5.13, unless it is configured away).
fn has_landlock() -> bool {
    const VERSION: libc::c_long = 1;
    // SAFETY: with this flag the kernel reads no attributes, and says a number.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<RawFd>(), 0, VERSION) > 0 }
}
