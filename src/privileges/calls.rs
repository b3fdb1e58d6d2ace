//! System calls as data: what a run does once it has given up its privileges.

use libbpf_rs::libbpf_sys::BPF_ITER_CREATE;
use libbpf_rs::libbpf_sys::BPF_MAP_LOOKUP_AND_DELETE_BATCH;
use libbpf_rs::libbpf_sys::BPF_MAP_LOOKUP_BATCH;
use libbpf_rs::libbpf_sys::BPF_OBJ_GET_INFO_BY_FD;
use libbpf_rs::libbpf_sys::BPF_PROG_TEST_RUN;
use nix::libc;

/// A system call, whatever its arguments or only where one of them is right. Whoever asks the kernel
/// for something during a run says so by these; those of several add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub number: libc::c_long,
    pub only: Option<Only>,
}

/// What an argument must be, in the bits of `mask`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Only {
    pub argument: u8,
    pub mask: u64,
    pub value: u64,
}

impl Call {
    /// The call with any arguments.
    #[must_use]
    pub const fn any(number: libc::c_long) -> Self {
        Self { number, only: None }
    }

    /// The call where `argument`, counted from 0, has `value` in the bits of `mask`.
    #[must_use]
    pub const fn only(number: libc::c_long, argument: u8, mask: u64, value: u64) -> Self {
        Self { number, only: Some(Only { argument, mask, value }) }
    }

    /// One command of bpf(2).
    #[must_use]
    pub const fn bpf(command: u32) -> Self {
        Self::only(libc::SYS_bpf, 0, u32::MAX as u64, command as u64)
    }

    /// One request of ioctl(2).
    #[must_use]
    pub const fn ioctl(request: u32) -> Self {
        Self::only(libc::SYS_ioctl, 1, u32::MAX as u64, request as u64)
    }

    #[must_use]
    pub fn is_bpf(&self) -> bool {
        self.number == libc::SYS_bpf
    }
}

/// Ending tracing. What is a link is detached by closing it, and what is a perf event by this request.
pub const DETACH: &[Call] = &[Call::ioctl(PERF_EVENT_IOC_DISABLE)];
const PERF_EVENT_IOC_DISABLE: u32 = 0x2401;

/// Asking what the kernel counted of a program.
pub const READ_PROGRAMS: &[Call] = &[Call::bpf(BPF_OBJ_GET_INFO_BY_FD)];

/// Reading the entries of maps.
pub const READ_MAPS: &[Call] = &[Call::bpf(BPF_MAP_LOOKUP_BATCH)];

/// Taking entries out of maps.
pub const TAKE_FROM_MAPS: &[Call] = &[Call::bpf(BPF_MAP_LOOKUP_AND_DELETE_BATCH)];

/// Running iterators again.
pub const RUN_ITERATORS: &[Call] = &[Call::bpf(BPF_ITER_CREATE)];

/// Running a program that is attached to nothing.
pub const RUN_PROGRAMS: &[Call] = &[Call::bpf(BPF_PROG_TEST_RUN)];

/// What every run does: reads what is open, writes to it, waits, takes memory, tells the time, ends.
pub const EVERY_RUN: &[Call] = &[
    Call::any(libc::SYS_read), // a signal descriptor
    Call::any(libc::SYS_write),
    Call::only(libc::SYS_sendto, 4, u64::MAX, 0), // send(2): to whom the socket is connected, no address
    Call::any(libc::SYS_close),
    #[cfg(target_arch = "x86_64")] // newer architectures have ppoll alone
    Call::any(libc::SYS_poll),
    Call::any(libc::SYS_ppoll),
    Call::only(libc::SYS_mmap, 2, libc::PROT_EXEC as u64, 0),
    Call::any(libc::SYS_mremap),
    Call::any(libc::SYS_munmap),
    Call::any(libc::SYS_madvise),
    Call::any(libc::SYS_brk),
    Call::any(libc::SYS_futex),
    Call::any(libc::SYS_sched_yield),
    Call::any(libc::SYS_getrandom),
    Call::any(libc::SYS_clock_gettime), // where the vDSO has no clock
    Call::any(libc::SYS_nanosleep),
    Call::any(libc::SYS_clock_nanosleep),
    Call::any(libc::SYS_timer_settime), // what interrupts a write that blocks
    Call::any(libc::SYS_timer_delete),
    Call::any(libc::SYS_rt_sigprocmask),
    Call::any(libc::SYS_rt_sigaction),
    Call::any(libc::SYS_rt_sigreturn),
    Call::any(libc::SYS_sigaltstack), // the end of main
    Call::any(libc::SYS_restart_syscall),
    Call::any(libc::SYS_exit),
    Call::any(libc::SYS_exit_group),
];
