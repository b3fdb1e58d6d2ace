//! Making one form of a backend work: open, configure, load, attach.

use std::mem::offset_of;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::IntoRawFd;
use std::slice::from_ref;

use libbpf_rs::ErrorKind;
use libbpf_rs::Link;
use libbpf_rs::Object;
use libbpf_rs::ObjectBuilder;
use libbpf_rs::OpenObject;
use libbpf_rs::Program;
use libbpf_rs::ProgramMut;
use libbpf_rs::libbpf_sys;
use libbpf_rs::libbpf_sys::bpf_prog_info;

use super::Form;
use super::Refusal;
use super::btf_file::BtfFile;
use super::layout;
use super::refusal::Step;
use super::typed;
use crate::kernel::btf::KernelBtf;
use crate::kernel::btf::Reduced;
use crate::kernel::maps;
use crate::kernel::tracefs;
use crate::privileges::Call;
use crate::privileges::DETACH;
use crate::privileges::READ_PROGRAMS;

/// What a run wants of a tool's BPF object, whichever form it takes.
pub struct Plan<'a> {
    /// The compiled `bpf/TOOL.bpf.c`.
    pub object: &'static [u8],
    /// Whether the run needs the program of this section, of those that the form takes.
    pub loads: &'a dyn Fn(Form, Lacks<'_>, &str) -> bool,
    /// Functions whose programs can be left out where they do not work.
    pub optional: &'static [Optional],
    /// Sets constants and sizes of maps, before load.
    pub configure: &'a dyn Fn(Form, Lacks<'_>, &mut OpenObject) -> libbpf_rs::Result<()>,
    /// Fills maps, before attach.
    pub fill: &'a dyn Fn(&Object) -> libbpf_rs::Result<()>,
}

/// A function of the kernel that a tool hooks, and can do without.
pub struct Optional {
    pub function: &'static str,
    /// Asked once its programs did not work: whether nothing is missed without them, or else why the form
    /// is refused. `None`: for the reason that they did not work for.
    pub spare: fn() -> Result<(), Option<Refusal>>,
}

/// The optional functions that did not work here: no program on them is loaded.
pub type Lacks<'a> = &'a [&'static str];

/// Programs at work, until it is dropped or [`detached`](Attached::detach).
pub struct Attached {
    pub form: Form,
    /// The optional functions that it does without.
    pub lacks: Vec<&'static str>,
    pub object: Object,
    links: Vec<Link>,
}

/// Loads and attaches all programs of the plan that belong to `form`, but for what is optional and does
/// not work here, or none.
pub fn attach(plan: &Plan<'_>, form: Form) -> Result<Attached, Refusal> {
    let mut lacks = Vec::new();
    loop {
        let failed = match attach_without(plan, form, &lacks) {
            Ok((object, links)) => return Ok(Attached { form, lacks, object, links }),
            Err(failed) => failed,
        };
        let Some(optional) = failed.suspect(plan) else { return Err(failed.refusal) };
        match (optional.spare)() {
            Ok(()) => lacks.push(optional.function),
            Err(refusal) => return Err(refusal.unwrap_or(failed.refusal)),
        }
    }
}

/// Why an attempt failed, and the sections of the programs that may be to blame. None, if the reason is
/// one that fails the form whatever its programs are.
struct Failed {
    refusal: Refusal,
    suspects: Vec<String>,
}

impl Failed {
    fn explain(form: Form, step: Step, what: &str, suspects: &[String], error: &libbpf_rs::Error) -> Self {
        if let Some(refusal) = Refusal::of_form(form, error) {
            return refusal.into();
        }
        // Whoever may not load one program may not load the others.
        let suspects = if error.kind() == ErrorKind::PermissionDenied { &[] } else { suspects };
        Self { refusal: Refusal::unexplained(step, what, error), suspects: suspects.to_vec() }
    }

    /// The optional function to try without.
    fn suspect<'a>(&self, plan: &'a Plan<'_>) -> Option<&'a Optional> {
        let is_suspect = |optional: &&Optional| self.suspects.iter().any(|section| is_on(optional.function, section));
        plan.optional.iter().find(is_suspect)
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, suspects: Vec::new() }
    }
}

/// Whether the programs of this section, `fexit/FUNCTION` say, hook this function.
fn is_on(function: &str, section: &str) -> bool {
    section.split('/').nth(1) == Some(function)
}

fn attach_without(plan: &Plan<'_>, form: Form, lacks: Lacks<'_>) -> Result<(Object, Vec<Link>), Failed> {
    let kernel = if form.needs_btf() { KernelBtf::get().ok() } else { None };
    let (mut open, mut btf) = open(plan, form, kernel.is_some())?;
    let mut sections = Vec::new();
    for mut program in open.progs_mut() {
        let section = program.section().to_string_lossy().into_owned();
        let load = form.takes(&section)
            && (plan.loads)(form, lacks, &section)
            && !lacks.iter().any(|function| is_on(function, &section));
        program.set_autoload(load);
        if load {
            sections.push(section);
        }
    }
    let Some(kind) = sections.iter().find(|section| form.is_made_of(section)).and_then(|own| own.split('/').next())
    else {
        return Err(Refusal::no_programs(form).into());
    };
    if sections.iter().any(|section| section.starts_with("kprobe/") || section.starts_with("kretprobe/"))
        && let Some(refusal) = Refusal::without_trying(form)
    {
        return Err(refusal.into());
    }
    let programs = format!("{kind} programs");
    let load_error = |what: &str, error: &_| Failed::explain(form, Step::Load, what, &[], error);
    let events = if sections.iter().any(|section| tracepoint(section).is_some()) {
        Some(tracefs::Events::open().map_err(Refusal::tracefs)?)
    } else {
        None
    };
    if let (Form::Classic, Some(events)) = (form, &events) {
        let loaded = |event: &str| sections.iter().any(|section| tracepoint(section) == Some(event));
        let layout = layout::read(events, loaded).map_err(Refusal::tracefs)?;
        maps::set_bytes(&mut open, ".rodata.layout", &layout).map_err(|error| load_error(&programs, &error))?;
    }
    (plan.configure)(form, lacks, &mut open).map_err(|error| load_error(&programs, &error))?;
    let reduced = kernel.map_or_else(Reduced::default, |kernel| typed::reduce(&open, &kernel));
    if let Some(btf) = &mut btf {
        btf.fill(&reduced.bytes).map_err(|error| load_error(&programs, &error.into()))?;
    }
    typed::set_targets(&mut open, &reduced.targets);
    let object = open.load().map_err(|error| Failed::explain(form, Step::Load, &programs, &sections, &error))?;
    drop(btf);
    (plan.fill)(&object).map_err(|error| load_error("its maps", &error))?;

    let mut links = Vec::new();
    let mut programs: Vec<_> = object.progs_mut().filter(|program| program.autoload()).collect();
    programs.reverse();
    programs.sort_by_key(|program| turn(&program.section().to_string_lossy())); // stable
    // A section without a hook's name is for a program that user space runs.
    for program in programs.into_iter().filter(|program| program.section().to_string_lossy().contains('/')) {
        let section = program.section().to_string_lossy().into_owned();
        let link = link(&program, &section, events.as_ref());
        links.push(link.map_err(|error| Failed::explain(form, Step::Attach, &section, from_ref(&section), &error))?);
    }
    links.reverse(); // they are dropped from the front
    Ok((object, links))
}

/// `sock/inet_sock_set_state` of the section of a classic program.
fn tracepoint(section: &str) -> Option<&str> {
    section.strip_prefix("tracepoint/")
}

fn link(program: &ProgramMut<'_>, section: &str, events: Option<&tracefs::Events>) -> libbpf_rs::Result<Link> {
    let (Some(tracepoint), Some(events)) = (tracepoint(section), events) else { return program.attach() };
    // libbpf would look for tracefs only where it is mounted.
    let event = events.perf_event(tracepoint)?;
    let link = program.attach_perf_event(event.as_raw_fd())?;
    let _its_own_now = event.into_raw_fd();
    Ok(link)
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

/// Opens the object, to be loaded with the BTF of a file that is filled before: with what it needs of the kernel's,
/// if we understand that, or with none for the classic form. libbpf wants some for the relocations of an object
/// even if it loads no program that has any. The file must live until the load.
fn open(plan: &Plan<'_>, form: Form, has_btf: bool) -> Result<(OpenObject, Option<BtfFile>), Refusal> {
    typed::register();
    let mut builder = ObjectBuilder::default();
    let opened = |result: libbpf_rs::Result<_>| {
        result
            .map_err(|error| Refusal::new(format!("cannot open the BPF object ({error:#})"), "-vv shows libbpf's log"))
    };
    let file = match BtfFile::new() {
        Ok(file) if has_btf || !form.needs_btf() => file,
        Err(error) if !form.needs_btf() => {
            return Err(Refusal::new(format!("there is no /proc ({error})"), "mount -t proc proc /proc"));
        }
        // libbpf reads the kernel's.
        _ => return Ok((opened(builder.open_memory(plan.object))?, None)),
    };
    let open = builder.btf_custom_path(file.path()).and_then(|builder| builder.open_memory(plan.object));
    Ok((opened(open)?, Some(file)))
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

    /// How often the kernel skipped one of the programs (bpf_prog_info.recursion_misses): at most so many
    /// rows are missing that nothing else counts. kprobe programs and classic tracepoints are skipped where
    /// another program or a bpf(2) map operation is under way on the same CPU (told since 6.7 or so); all
    /// others where a softirq, or a task that preempts another one, enters a program on a CPU that is in it
    /// already (fexit since 5.12, raw and typed tracepoints since 6.1; before that never).
    ///
    /// Left out are return probes (a call without its return is counted when it is found) and classic
    /// tracepoints beside a raw_tp program of the same event, which catches or counts what they miss.
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
