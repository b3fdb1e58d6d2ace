//! Programs whose target has a number in the kernel's BTF, by which they attach. We find it without libbpf's own search.

use std::collections::HashMap;
use std::ffi::c_int;
use std::ffi::c_long;
use std::mem::take;
use std::ptr;
use std::slice;
use std::sync::Once;

use libbpf_rs::AsRawLibbpf;
use libbpf_rs::OpenObject;
use libbpf_rs::libbpf_sys;
use libbpf_rs::libbpf_sys::bpf_link;
use libbpf_rs::libbpf_sys::bpf_prog_load_opts;
use libbpf_rs::libbpf_sys::bpf_program;
use libbpf_rs::libbpf_sys::libbpf_prog_handler_opts;
use nix::errno::Errno;

use super::Section;
use crate::kernel::btf;
use crate::kernel::btf::KernelBtf;
use crate::kernel::btf::Reduced;

/// What the object needs of the kernel's BTF.
pub fn reduce(open: &OpenObject, kernel: &KernelBtf) -> Reduced {
    let targets: Vec<String> = open.progs().filter_map(|program| program.section().to_str().and_then(target)).collect();
    kernel.reduce(names(open), &targets)
}

/// Tells libbpf the numbers of the programs' targets.
pub fn set_targets(open: &mut OpenObject, numbers: &HashMap<String, u32>) {
    for mut program in open.progs_mut().filter(|program| program.autoload()) {
        let section = program.section().to_string_lossy().into_owned();
        // An error is not lost: the program has no number then, so loading it fails.
        let _ = match target(&section).map(|target| numbers.get(&target)) {
            // In place of a program's descriptor: with one, libbpf does not read the kernel's BTF.
            Some(Some(&number)) => program.set_attach_target(number as i32, None),
            // libbpf looks for it in the modules, too.
            Some(None) => {
                let hook = Section::parse(&section).and_then(Section::hook);
                program.set_attach_target(0, hook.map(str::to_owned))
            }
            None => Ok(()),
        };
    }
}

/// What the kernel's BTF calls the target of a program.
fn target(section: &str) -> Option<String> {
    match Section::parse(section)? {
        Section::Fentry(function) | Section::Fexit(function) => Some(function.to_owned()),
        Section::TpBtf(event) => Some(format!("btf_trace_{event}")),
        Section::Iter(kind) => Some(format!("bpf_iter_{kind}")),
        _ => None,
    }
}

/// All names in the object's own BTF.
fn names(open: &OpenObject) -> &[u8] {
    let mut len = 0;
    // SAFETY: the BTF of an open object, if it has any, lives as long as that, and nobody changes it.
    btf::names(unsafe {
        let own = libbpf_sys::bpf_object__btf(open.as_libbpf_object().as_ptr());
        let start = if own.is_null() { ptr::null() } else { libbpf_sys::btf__raw_data(own, &raw mut len) };
        if start.is_null() { &[] } else { slice::from_raw_parts(start.cast(), len as usize) }
    })
}

/// Has libbpf take the numbers of [`set_targets`], once in a process and before it opens an object.
pub fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (section, kind) in [
            (c"fentry+", libbpf_sys::BPF_TRACE_FENTRY),
            (c"fexit+", libbpf_sys::BPF_TRACE_FEXIT),
            (c"tp_btf+", libbpf_sys::BPF_TRACE_RAW_TP),
            (c"iter+", libbpf_sys::BPF_TRACE_ITER),
        ] {
            let opts = libbpf_prog_handler_opts {
                sz: size_of::<libbpf_prog_handler_opts>() as libbpf_sys::size_t,
                cookie: c_long::from(kind),
                prog_prepare_load_fn: Some(prepare_load),
                prog_attach_fn: Some(attach),
                ..Default::default()
            };
            // SAFETY: strings that end, and options as large as they say.
            unsafe {
                libbpf_sys::libbpf_register_prog_handler(
                    section.as_ptr(),
                    libbpf_sys::BPF_PROG_TYPE_TRACING,
                    kind,
                    &raw const opts,
                )
            };
        }
    });
}

/// Where libbpf's own handler would search for the number.
unsafe extern "C" fn prepare_load(_: *mut bpf_program, opts: *mut bpf_prog_load_opts, _: c_long) -> c_int {
    // SAFETY: libbpf passes its own, and nobody else has it for the time of this call.
    let opts = unsafe { &mut *opts };
    if opts.attach_btf_id == 0 {
        opts.attach_btf_id = take(&mut opts.attach_prog_fd);
    }
    if opts.attach_btf_id == 0 { -(Errno::ESRCH as c_int) } else { 0 }
}

/// As libbpf's own handlers do.
unsafe extern "C" fn attach(program: *const bpf_program, kind: c_long, link: *mut *mut bpf_link) -> c_int {
    // SAFETY: libbpf passes a program that is loaded, and room for a link.
    unsafe {
        *link = if kind == c_long::from(libbpf_sys::BPF_TRACE_ITER) {
            libbpf_sys::bpf_program__attach_iter(program, ptr::null())
        } else {
            libbpf_sys::bpf_program__attach_trace(program)
        };
        if (*link).is_null() { -Errno::last_raw() } else { 0 }
    }
}
