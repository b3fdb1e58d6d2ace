//! Running a loaded program that is attached to nothing: BPF_PROG_TEST_RUN.

use std::io;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;

use libbpf_rs::Object;
use libbpf_rs::Program;
use libbpf_rs::libbpf_sys;

/// What a raw_tp program gets: struct raw_tp_args of bpf/kernel.h.
pub type Arguments = [u64; 12];

/// The program that is attached to nothing, if it was loaded.
#[must_use]
pub fn loaded(object: &Object) -> Option<Program<'_>> {
    object.progs().find(|program| program.section() == "raw_tp" && program.autoload())
}

/// Runs a raw_tp program once (Linux 5.10).
///
/// # Errors
/// The kernel refuses to.
pub fn run(program: &Program<'_>, arguments: &Arguments) -> io::Result<()> {
    // SAFETY: a plain struct, of which zeros mean nothing is given.
    let mut options: libbpf_sys::bpf_test_run_opts = unsafe { std::mem::zeroed() };
    options.sz = size_of_val(&options) as _;
    options.ctx_in = arguments.as_ptr().cast();
    options.ctx_size_in = size_of_val(arguments) as u32;
    // SAFETY: the options are whole, and the arguments, which the kernel copies, outlive the call.
    match unsafe { libbpf_sys::bpf_prog_test_run_opts(program.as_fd().as_raw_fd(), &raw mut options) } {
        0.. => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}
