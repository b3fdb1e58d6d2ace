//! Programs that do nothing, on what a tool hooks: what the kernel takes to enter and leave one.

use std::ffi::CString;
use std::io;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;

use libbpf_rs::libbpf_sys;
use libbpf_rs::libbpf_sys::BPF_PROG_TYPE_TRACING;
use libbpf_rs::libbpf_sys::BPF_TRACE_FENTRY;
use libbpf_rs::libbpf_sys::BPF_TRACE_RAW_TP;
use libbpf_rs::libbpf_sys::bpf_insn;
use libbpf_rs::libbpf_sys::bpf_prog_load_opts;

/// An attached program; dropped, it is detached.
pub struct Empty {
    _link: OwnedFd,
}

impl Empty {
    /// Attaches one to a section, `fentry/tcp_rcv_established` say.
    ///
    /// # Errors
    /// The kernel refuses it, or the section is of another kind.
    pub fn attach(section: &str) -> io::Result<Self> {
        let (kind, hook) = match section.split_once('/') {
            Some(("fentry", function)) => (BPF_TRACE_FENTRY, CString::new(function)?),
            Some(("tp_btf", tracepoint)) => (BPF_TRACE_RAW_TP, CString::new(tracepoint)?),
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        // SAFETY: a string.
        let target = checked(unsafe { libbpf_sys::libbpf_find_vmlinux_btf_id(hook.as_ptr(), kind) })?;
        let program = [
            bpf_insn { code: 0xb7, ..bpf_insn::default() }, // r0 = 0
            bpf_insn { code: 0x95, ..bpf_insn::default() }, // exit
        ];
        let mut options = bpf_prog_load_opts {
            sz: size_of::<bpf_prog_load_opts>() as _,
            expected_attach_type: kind,
            attach_btf_id: target as u32,
            ..bpf_prog_load_opts::default()
        };
        // SAFETY: the program, its length, the licence and the options are whole.
        let program = checked(unsafe {
            libbpf_sys::bpf_prog_load(
                BPF_PROG_TYPE_TRACING,
                c"empty".as_ptr(),
                c"GPL".as_ptr(),
                program.as_ptr(),
                program.len() as _,
                &raw mut options,
            )
        })?;
        // SAFETY: it was opened above, and nobody else has it.
        let program = unsafe { OwnedFd::from_raw_fd(program) };
        // SAFETY: no name: the program says what it is for.
        let link = checked(unsafe {
            libbpf_sys::bpf_raw_tracepoint_open(std::ptr::null(), std::os::fd::AsRawFd::as_raw_fd(&program))
        })?;
        // SAFETY: as above. It keeps the program.
        Ok(Self { _link: unsafe { OwnedFd::from_raw_fd(link) } })
    }
}

fn checked(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result) }
}
