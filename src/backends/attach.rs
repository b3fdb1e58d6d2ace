//! Making one form of a backend work: open, configure, load, attach.

use std::io;
use std::mem::offset_of;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::IntoRawFd;
use std::slice::from_ref;

use libbpf_rs::ErrorKind;
use libbpf_rs::Iter;
use libbpf_rs::Link;
use libbpf_rs::Object;
use libbpf_rs::ObjectBuilder;
use libbpf_rs::OpenObject;
use libbpf_rs::Program;
use libbpf_rs::ProgramMut;
use libbpf_rs::libbpf_sys;
use libbpf_rs::libbpf_sys::bpf_prog_info;

use super::Form;
use super::Needs;
use super::Refusal;
use super::Section;
use super::Skip;
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

/// What a run wants of a tool's BPF object; which form that takes is found out.
pub struct Plan<'a> {
    /// The compiled `bpf/TOOL.bpf.c`.
    pub object: &'static [u8],
    /// What the run needs of it.
    pub needs: &'a dyn Fn(Form, Lacks<'_>) -> Needs,
    /// Functions whose programs can be left out where they do not work.
    pub optional: &'static [Optional],
    /// Sets what is the same for all tools, before load.
    pub configure: &'a dyn Fn(Form, &mut OpenObject) -> libbpf_rs::Result<()>,
    /// Fills maps, before attach.
    pub fill: &'a dyn Fn(&Object) -> libbpf_rs::Result<()>,
}

/// A function of the kernel that a tool hooks, and can do without.
pub struct Optional {
    pub function: &'static str,
    /// Called once its programs have failed. `Ok`: nothing is missed without them. `Err`: the form is refused, for this
    /// reason or, with `None`, for the one that they failed for.
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
    iterators: Vec<Link>,
    /// What is asked of the kernel during the run.
    asked: Vec<Call>,
}

/// Loads and attaches all programs of the plan that belong to `form`, except optional ones that do not work here. If another
/// does not work, none is attached.
pub fn attach(plan: &Plan<'_>, form: Form) -> Result<Attached, Refusal> {
    let mut lacks = Vec::new();
    loop {
        let failed = match attach_without(plan, form, &lacks) {
            Ok(attached) => return Ok(Attached { lacks, ..attached }),
            Err(failed) => failed,
        };
        let Some(optional) = failed.suspect(plan) else { return Err(failed.refusal) };
        match (optional.spare)() {
            Ok(()) => lacks.push(optional.function),
            Err(refusal) => return Err(refusal.unwrap_or(failed.refusal)),
        }
    }
}

/// Why a try failed, and the sections of the programs that may be the cause: no section if the form would fail
/// with any programs.
struct Failed {
    refusal: Refusal,
    suspects: Vec<String>,
}

impl Failed {
    fn explain(form: Form, step: Step, what: &str, suspects: &[String], error: &libbpf_rs::Error) -> Self {
        if let Some(refusal) = Refusal::of_form(form, error) {
            return refusal.into();
        }
        // Without the privilege to load one program there is none to load the others.
        let suspects = if error.kind() == ErrorKind::PermissionDenied { &[] } else { suspects };
        Self { refusal: Refusal::unexplained(step, what, error), suspects: suspects.to_vec() }
    }

    /// The optional function to try without.
    fn suspect<'a>(&self, plan: &'a Plan<'_>) -> Option<&'a Optional> {
        let is_on = |function, name: &String| Section::parse(name).and_then(Section::hook) == Some(function);
        let is_suspect = |optional: &&Optional| self.suspects.iter().any(|name| is_on(optional.function, name));
        plan.optional.iter().find(is_suspect)
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, suspects: Vec::new() }
    }
}

fn attach_without(plan: &Plan<'_>, form: Form, lacks: Lacks<'_>) -> Result<Attached, Failed> {
    let kernel = if form.needs_btf() { KernelBtf::get().ok() } else { None };
    let (mut open, mut btf) = open(plan, form, kernel.is_some())?;
    let needs = (plan.needs)(form, lacks);
    let mut names = Vec::new();
    for mut program in open.progs_mut() {
        let name = program.section().to_string_lossy().into_owned();
        let load = Section::parse(&name).is_some_and(|section| {
            needs.loads(form, section) && !lacks.iter().any(|&function| section.hook() == Some(function))
        });
        program.set_autoload(load);
        if load {
            names.push(name);
        }
    }
    let sections: Vec<_> = names.iter().filter_map(|name| Section::parse(name)).collect();
    let Some(own) = sections.iter().find(|section| form.is_made_of(**section)) else {
        return Err(Refusal::no_programs(form).into());
    };
    if sections.iter().any(|section| matches!(section, Section::Kprobe(_) | Section::Kretprobe(_)))
        && let Some(refusal) = Refusal::without_trying(form)
    {
        return Err(refusal.into());
    }
    let programs = format!("{} programs", own.kind());
    let load_error = |what: &str, error: &_| Failed::explain(form, Step::Load, what, &[], error);
    let events = if sections.iter().any(|section| matches!(section, Section::Tracepoint(..))) {
        Some(tracefs::Events::open().map_err(Refusal::tracefs)?)
    } else {
        None
    };
    if let (Form::Classic, Some(events)) = (form, &events) {
        layout::fill(&mut open, events, |section| sections.contains(&section))?;
    }
    let configured = configure(&needs, &mut open).and_then(|()| (plan.configure)(form, &mut open));
    configured.map_err(|error| {
        Refusal::new(format!("the BPF object is not as expected ({error})"), "report this as a fault")
    })?;
    let reduced = kernel.map_or_else(Reduced::default, |kernel| typed::reduce(&open, &kernel));
    if let Some(btf) = &mut btf {
        btf.fill(&reduced.bytes).map_err(|error| load_error(&programs, &error.into()))?;
    }
    typed::set_targets(&mut open, &reduced.targets);
    let object = open.load().map_err(|error| Failed::explain(form, Step::Load, &programs, &names, &error))?;
    drop(btf);
    (plan.fill)(&object).map_err(|error| load_error("its maps", &error))?;

    let (mut links, mut iterators) = (Vec::new(), Vec::new());
    let mut programs: Vec<_> = object.progs_mut().filter(|program| program.autoload()).collect();
    programs.reverse();
    let turn = |program: &ProgramMut<'_>| program.section().to_str().and_then(Section::parse).map(Section::turn);
    programs.sort_by_key(turn); // stable
    for program in programs {
        let name = program.section().to_string_lossy().into_owned();
        let failed = |error: &_| Failed::explain(form, Step::Attach, &name, from_ref(&name), error);
        match Section::parse(&name) {
            None | Some(Section::Run) => {}
            Some(Section::Iter(_)) => {
                let link = program.attach().map_err(|error| failed(&error))?;
                run_through(&link).map_err(|error| failed(&error.into()))?;
                iterators.push(link);
            }
            Some(section) => links.push(link(&program, section, events.as_ref()).map_err(|error| failed(&error))?),
        }
    }
    links.reverse(); // they are dropped from the front
    Ok(Attached { form, lacks: Vec::new(), object, links, iterators, asked: needs.asked().to_vec() })
}

fn configure(needs: &Needs, object: &mut OpenObject) -> libbpf_rs::Result<()> {
    needs.sections().try_for_each(|(section, bytes)| maps::set_bytes(object, section, bytes))?;
    needs.sizes().try_for_each(|(map, entries)| maps::set_size(object, map, entries))
}

fn link(program: &ProgramMut<'_>, section: Section<'_>, events: Option<&tracefs::Events>) -> libbpf_rs::Result<Link> {
    let (Section::Tracepoint(group, event), Some(events)) = (section, events) else { return program.attach() };
    // libbpf would look for tracefs only where it is mounted.
    let event = events.perf_event(&format!("{group}/{event}"))?;
    let link = program.attach_perf_event(event.as_raw_fd())?;
    let _its_own_now = event.into_raw_fd();
    Ok(link)
}

/// Runs an iterator to its end. What its program writes is thrown away: it fills maps.
fn run_through(iterator: &Link) -> io::Result<()> {
    let mut iterator = Iter::new(iterator).map_err(io::Error::other)?;
    io::copy(&mut iterator, &mut io::sink()).map(drop)
}

/// Opens the object, and makes the file from which libbpf will read the kernel's BTF. It is filled before the load: with those
/// parts of the BTF that the object needs, or with an empty BTF for the classic form, as libbpf asks for one even where no program
/// that it loads has relocations. Where we cannot read the kernel's BTF there is no file. It must live until the load.
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

    /// What the run asks of the kernel, and detaching it.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let tells_skips = self.object.progs().any(|program| tells_recursion_misses(&program));
        [DETACH, if tells_skips { READ_PROGRAMS } else { &[] }, &self.asked].concat()
    }

    /// Runs the iterators once more.
    ///
    /// # Errors
    /// The kernel refuses to; after privileges were given up, unless [`RUN_ITERATORS`](crate::privileges::RUN_ITERATORS)
    /// was asked for.
    pub fn iterate(&self) -> io::Result<()> {
        self.iterators.iter().try_for_each(run_through)
    }

    /// How often the kernel skipped one of the programs, of those where that costs this: at most so much is missing, and
    /// nothing else counts it.
    #[must_use]
    pub fn skipped(&self, cost: Skip) -> u64 {
        let loaded = || self.object.progs().filter(|program| program.autoload());
        let is_loaded = |wanted: Section<'_>| {
            loaded().any(|program| program.section().to_str().and_then(Section::parse) == Some(wanted))
        };
        let costs = |section: Section<'_>| section.skip() == cost && !section.made_up_for_by().is_some_and(is_loaded);
        loaded()
            .filter(|program| program.section().to_str().and_then(Section::parse).is_some_and(costs))
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
