//! Making one form of a backend work: open, configure, load, attach.

use std::io::Write;
use std::mem::offset_of;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;

use libbpf_rs::Link;
use libbpf_rs::Object;
use libbpf_rs::ObjectBuilder;
use libbpf_rs::OpenObject;
use libbpf_rs::Program;
use libbpf_rs::libbpf_sys;
use libbpf_rs::libbpf_sys::bpf_prog_info;
use nix::sys::memfd::MFdFlags;
use nix::sys::memfd::memfd_create;

use super::Form;
use super::Refusal;
use super::layout;
use super::refusal::Step;
use crate::kernel;
use crate::maps;
use crate::privileges::Call;
use crate::privileges::DETACH;
use crate::privileges::READ_PROGRAMS;
use crate::tracefs;

/// What a run wants of a tool's BPF object, whichever form it takes.
pub struct Plan<'a> {
    /// The compiled `bpf/TOOL.bpf.c`.
    pub object: &'static [u8],
    /// Whether the run needs the program of this section, of those that the form takes.
    pub loads: &'a dyn Fn(Form, &str) -> bool,
    /// Sets constants and sizes of maps, before load.
    pub configure: &'a dyn Fn(Form, &mut OpenObject) -> libbpf_rs::Result<()>,
    /// Fills maps, before attach.
    pub fill: &'a dyn Fn(&Object) -> libbpf_rs::Result<()>,
}

/// Programs at work, until it is dropped or [`detached`](Attached::detach).
pub struct Attached {
    pub form: Form,
    pub object: Object,
    links: Vec<Link>,
}

/// Loads and attaches all programs of the plan that belong to `form`, or none.
pub fn attach(plan: &Plan<'_>, form: Form) -> Result<Attached, Refusal> {
    let load_error = |what: &str, error: &_| Refusal::explain(form, Step::Load, what, error);
    let (mut open, _btf) = open(plan, form)
        .map_err(|error| Refusal::new(format!("cannot open the BPF object ({error:#})"), "-vv shows libbpf's log"))?;
    let mut sections = Vec::new();
    for mut program in open.progs_mut() {
        let section = program.section().to_string_lossy().into_owned();
        let load = form.takes(&section) && wants(plan, form, &section);
        program.set_autoload(load);
        if load {
            sections.push(section);
        }
    }
    let Some(kind) = sections.iter().find(|section| form.is_made_of(section)).and_then(|own| own.split('/').next())
    else {
        return Err(Refusal::no_programs(form));
    };
    let programs = format!("{kind} programs");
    if sections.iter().any(|section| section.starts_with("tracepoint/")) {
        let tracefs = tracefs::path().map_err(Refusal::tracefs)?;
        if form == Form::Classic {
            let layout = layout::read(tracefs).map_err(Refusal::tracefs)?;
            maps::set_constant(&mut open, ".rodata.layout", &layout).map_err(|error| load_error(&programs, &error))?;
        }
    }
    (plan.configure)(form, &mut open).map_err(|error| load_error(&programs, &error))?;
    let object = open.load().map_err(|error| load_error(&programs, &error))?;
    (plan.fill)(&object).map_err(|error| load_error("its maps", &error))?;

    let mut links = Vec::new();
    let mut programs: Vec<_> = object.progs_mut().filter(|program| program.autoload()).collect();
    programs.reverse();
    programs.sort_by_key(|program| turn(&program.section().to_string_lossy())); // stable
    for program in programs {
        let section = program.section().to_string_lossy();
        links.push(program.attach().map_err(|error| Refusal::explain(form, Step::Attach, &section, &error))?);
    }
    links.reverse(); // they are dropped from the front
    Ok(Attached { form, object, links })
}

/// When a program is attached; it is detached in the opposite order. What sees a call begin comes last,
/// what sees it return first: nothing then waits for an end that nobody will see, and no return is
/// taken for that of a call in which nothing happened. In each turn: from the end of the file.
fn turn(section: &str) -> u8 {
    match section.split('/').collect::<Vec<_>>()[..] {
        ["fexit" | "kretprobe", _] => 0,
        ["tracepoint", "syscalls", call] if call.starts_with("sys_exit_") => 0,
        ["tracepoint", "syscalls", _] | ["kprobe", _] => 2,
        _ => 1,
    }
}

/// Programs on IPv6's functions can neither load nor miss anything on a kernel without IPv6.
fn wants(plan: &Plan<'_>, form: Form, section: &str) -> bool {
    (plan.loads)(form, section) && (!section.contains("_v6_") || kernel::has_ipv6())
}

/// Opens the object. libbpf wants BTF for the relocations of an object even if it loads no program
/// that has any; for the classic form an empty one will do, a file that must live until the load.
fn open(plan: &Plan<'_>, form: Form) -> libbpf_rs::Result<(OpenObject, Option<OwnedFd>)> {
    let mut builder = ObjectBuilder::default();
    if form.needs_btf() {
        return Ok((builder.open_memory(plan.object)?, None));
    }
    let btf = empty_btf()?;
    let builder = builder.btf_custom_path(format!("/proc/self/fd/{}", btf.as_raw_fd()))?;
    Ok((builder.open_memory(plan.object)?, Some(btf)))
}

/// A file with a BTF header and an empty string table.
fn empty_btf() -> std::io::Result<OwnedFd> {
    const VERSION: u8 = 1;
    const HEADER_LEN: u32 = 24;
    let mut btf = Vec::new();
    btf.extend_from_slice(&0xeb9f_u16.to_ne_bytes());
    btf.extend_from_slice(&[VERSION, 0]);
    // hdr_len, type_off, type_len, str_off, str_len
    for number in [HEADER_LEN, 0, 0, 0, 1] {
        btf.extend_from_slice(&number.to_ne_bytes());
    }
    btf.push(0);
    let fd = memfd_create(c"empty-btf", MFdFlags::MFD_CLOEXEC)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(&btf)?;
    Ok(file.into())
}

impl Attached {
    /// Ends tracing; maps and counters stay readable.
    pub fn detach(&mut self) {
        self.links.clear();
    }

    /// What reading and detaching it asks of the kernel.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let tells_skips = self.object.progs().any(|program| tells_recursion_misses(&program));
        [DETACH, if tells_skips { READ_PROGRAMS } else { &[] }].concat()
    }

    /// How often the kernel skipped one of the programs (bpf_prog_info.recursion_misses, 5.12). 0
    /// where it does not say. Left out are return probes (the next call of the same thread finds the
    /// stale entry and counts it) and classic tracepoints beside a raw_tp program of the same event,
    /// which catches what they miss.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        let loaded = || self.object.progs().filter(|program| program.autoload());
        let has_raw = |event: &str| loaded().any(|program| program.section() == format!("raw_tp/{event}").as_str());
        loaded()
            .filter(|program| match program.section().to_string_lossy().split('/').collect::<Vec<_>>()[..] {
                ["kretprobe", _] => false,
                ["tracepoint", _, event] => !has_raw(event),
                _ => true,
            })
            .map(|program| recursion_misses(program.as_fd().as_raw_fd()))
            .sum()
    }
}

fn recursion_misses(program: i32) -> u64 {
    info(program).map_or(0, |(info, _)| info.recursion_misses)
}

/// Whether the kernel counts them (5.12).
fn tells_recursion_misses(program: &Program<'_>) -> bool {
    const END: usize = offset_of!(bpf_prog_info, recursion_misses) + size_of::<u64>();
    program.autoload() && info(program.as_fd().as_raw_fd()).is_some_and(|(_, len)| len >= END)
}

/// What the kernel says of a program, and the length of that: older kernels say less.
fn info(program: i32) -> Option<(bpf_prog_info, usize)> {
    let mut info = bpf_prog_info::default();
    let mut len = size_of_val(&info) as u32;
    // SAFETY: `info` is a plain struct of `len` bytes that the kernel fills as far as it knows it.
    let result = unsafe { libbpf_sys::bpf_prog_get_info_by_fd(program, &raw mut info, &raw mut len) };
    (result == 0).then_some((info, len as usize))
}
