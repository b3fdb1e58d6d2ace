//! Why a backend does not work here, in the user's terms.

use std::fmt;
use std::fs;
use std::path::Path;

use caps::Capability;
use libbpf_rs::ErrorKind;
use nix::sys::resource::Resource;
use nix::sys::resource::getrlimit;

use super::Form;
use crate::kernel;
use crate::privileges;

/// The cause, and what the user can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub cause: String,
    pub remedy: String,
    /// Privileges are missing, so it is not known whether the kernel could do it.
    pub untested: bool,
    /// Nothing was tried: the tool has no programs for this form.
    pub no_programs: bool,
}

/// What was being done when the kernel refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Load,
    Attach,
}

impl Refusal {
    pub fn new(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { cause: cause.into(), remedy: remedy.into(), untested: false, no_programs: false }
    }

    /// Why `form` cannot work, if that can be seen without a try. Where sysfs shows no perf device for kprobes, libbpf would
    /// write kprobes into tracefs, where they would stay if the run is killed.
    pub fn without_trying(form: Form) -> Option<Self> {
        if form != Form::Kprobe || kernel::has_kprobes() {
            return None;
        }
        Some(if !Path::new("/sys/kernel").exists() || Path::new("/sys/bus/event_source/devices/software").exists() {
            Self::not_in_kernel("kprobes (CONFIG_KPROBE_EVENTS)", "CONFIG_KPROBE_EVENTS")
        } else {
            Self::new("/sys/bus/event_source does not show the kernel's perf devices", "unmount what hides them")
        })
    }

    /// Why `form` fails with `error` here, if that has nothing to do with the programs that it was tried with. The first
    /// reason that applies is told: what [`without_trying`](Self::without_trying) knows before all, as no privilege helps there.
    /// These facts only choose the words: that the form does not work has been tried.
    pub fn of_form(form: Form, error: &libbpf_rs::Error) -> Option<Self> {
        if error.kind() == ErrorKind::PermissionDenied
            && let Some(privilege) = missing_privilege().or_else(|| forbidden_perf_event(form))
        {
            return Some(privilege);
        }
        if form.needs_btf() && !kernel::has_btf() {
            return Some(Self::no_btf());
        }
        (form == Form::Kprobe && !kernel::may_copy()).then(Self::locked_down)
    }

    /// For any other `error` of `step`; `what` is what the kernel refused, a program's section say.
    pub fn unexplained(step: Step, what: &str, error: &libbpf_rs::Error) -> Self {
        let verb = match step {
            Step::Load => "load",
            Step::Attach => "attach",
        };
        Self::new(
            format!("the kernel refuses to {verb} {what} ({})", os_error(error)),
            "-vv shows libbpf's and the verifier's log",
        )
    }

    /// The tool has no programs that make `form`.
    pub fn no_programs(form: Form) -> Self {
        let refusal = match form {
            Form::Classic if kernel::has_btf() => {
                Self::new("this tool needs BTF", "this kernel has it: see the form with BTF")
            }
            Form::Classic => Self { cause: "this tool needs BTF".into(), ..Self::no_btf() },
            _ => Self::new("this tool has no programs for it", "--backend auto takes one that it has"),
        };
        Self { no_programs: true, ..refusal }
    }

    /// Explains why classic tracepoints are not found in tracefs.
    pub fn tracefs(error: impl fmt::Display) -> Self {
        // Lockdown makes tracefs look empty, even to root.
        if !kernel::may_copy() {
            return Self::locked_down();
        }
        if let Some(privilege) = missing_privilege() {
            return privilege;
        }
        if !privileges::has(Capability::CAP_SYS_ADMIN) {
            return Self::of_privilege("tracefs is not readable for this user", "run as root (sudo)");
        }
        Self::new(format!("tracefs cannot be used ({error})"), "mount -t tracefs tracefs /sys/kernel/tracing")
    }

    fn no_btf() -> Self {
        Self::not_in_kernel("BTF (/sys/kernel/btf/vmlinux)", "CONFIG_DEBUG_INFO_BTF")
    }

    /// What sysfs would show, where it is mounted.
    fn not_in_kernel(what: &str, option: &str) -> Self {
        if Path::new("/sys/kernel").exists() {
            Self::new(format!("this kernel has no {what}"), format!("boot a kernel with {option}=y"))
        } else {
            Self::new(format!("without /sys there is no {what}"), "mount -t sysfs sysfs /sys")
        }
    }

    fn of_privilege(cause: impl Into<String>, remedy: &str) -> Self {
        Self { untested: true, ..Self::new(cause, remedy) }
    }

    fn locked_down() -> Self {
        Self::new("lockdown=confidentiality forbids reading kernel memory", "boot with lockdown=integrity")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.cause, self.remedy)
    }
}

/// The refusal, if this process lacks a right (and not the kernel an ability).
fn missing_privilege() -> Option<Refusal> {
    let missing = privileges::missing();
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        return Some(Refusal::of_privilege(format!("{} {verb} missing", names.join(" and ")), "run as root (sudo)"));
    }
    // Before 5.11 maps count against the limit of locked memory. With default sizes a run's take up to 15 MB.
    let (limit, _) = getrlimit(Resource::RLIMIT_MEMLOCK).ok()?;
    (limit < 16 << 20 && charges_locked_memory(&kernel::release())).then(|| {
        Refusal::of_privilege(
            format!("the limit of locked memory ({} KiB) is too low for this kernel's maps", limit >> 10),
            "raise it: ulimit -l unlimited, or LimitMEMLOCK=infinity",
        )
    })
}

/// Kprobes and classic tracepoints are perf events. Distributions add levels of kernel.perf_event_paranoid above
/// the kernel's own, at which users without CAP_SYS_ADMIN may have none.
fn forbidden_perf_event(form: Form) -> Option<Refusal> {
    if form == Form::Trampoline || privileges::has(Capability::CAP_SYS_ADMIN) {
        return None;
    }
    let level: i32 = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok()?.trim().parse().ok()?;
    (level > 2).then(|| {
        Refusal::of_privilege(
            format!("kernel.perf_event_paranoid={level} forbids it to users without CAP_SYS_ADMIN"),
            "run as root (sudo), or sysctl kernel.perf_event_paranoid=2",
        )
    })
}

fn charges_locked_memory(release: &str) -> bool {
    let mut numbers = release.split('.').map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) < (5, 11),
        _ => false,
    }
}

/// The innermost error, which is the kernel's own.
fn os_error(error: &libbpf_rs::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_memory_counts_before_5_11() {
        assert!(charges_locked_memory("5.10.0-46-cloud-amd64"));
        assert!(!charges_locked_memory("5.11.0"));
        assert!(!charges_locked_memory("6.1.0-56-amd64"));
        assert!(!charges_locked_memory("unknown"));
    }
}
