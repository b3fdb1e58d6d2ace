//! Why a backend does not work here, in the user's terms.

use std::fmt;

use caps::Capability;
use libbpf_rs::ErrorKind;
use nix::sys::resource::Resource;
use nix::sys::resource::getrlimit;

use super::Form;
use crate::kernel;
use crate::kernel::Lockdown;
use crate::privileges;

/// The cause, and what the user can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub cause: String,
    pub remedy: String,
    /// Privileges are missing, so whether the kernel could do it was not found out.
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

    /// Explains `error`, which `step` of `form` met at `what` (a program's section, or a map). The
    /// facts consulted only choose the words: that it does not work has been tried.
    pub fn explain(form: Form, step: Step, what: &str, error: &libbpf_rs::Error) -> Self {
        if error.kind() == ErrorKind::PermissionDenied
            && let Some(privilege) = missing_privilege(form)
        {
            return privilege;
        }
        if form.needs_btf() && !kernel::has_btf() {
            return Self::new("this kernel has no BTF (/sys/kernel/btf/vmlinux)", BOOT_WITH_BTF);
        }
        if form == Form::Kprobe && Lockdown::current() == Lockdown::Confidentiality {
            return Self::locked_down();
        }
        if form == Form::Kprobe && !kernel::has_kprobes() {
            return Self::new(
                "this kernel has no kprobes (CONFIG_KPROBE_EVENTS)",
                "boot a kernel with CONFIG_KPROBE_EVENTS=y",
            );
        }
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
            Form::Classic => Self::new("this tool needs BTF", BOOT_WITH_BTF),
            _ => Self::new("this tool has no programs for it", "--backend auto takes one that it has"),
        };
        Self { no_programs: true, ..refusal }
    }

    /// Explains why classic tracepoints are not found in tracefs.
    pub fn tracefs(error: impl fmt::Display) -> Self {
        // It empties tracefs, whoever looks.
        if Lockdown::current() == Lockdown::Confidentiality {
            return Self::locked_down();
        }
        if let Some(privilege) = missing_privilege(Form::Classic) {
            return privilege;
        }
        Self::new(format!("tracefs cannot be used ({error})"), "mount -t tracefs tracefs /sys/kernel/tracing")
    }

    fn locked_down() -> Self {
        Self::new("lockdown=confidentiality forbids reading kernel memory", "boot with lockdown=integrity")
    }
}

const BOOT_WITH_BTF: &str = "boot a kernel with CONFIG_DEBUG_INFO_BTF=y";

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.cause, self.remedy)
    }
}

/// The refusal if what is missing is a right of this process, not an ability of the kernel.
fn missing_privilege(form: Form) -> Option<Refusal> {
    let untested = |cause: String, remedy: &str| Some(Refusal { untested: true, ..Refusal::new(cause, remedy) });
    let missing = privileges::missing();
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        return untested(format!("{} {verb} missing", names.join(" and ")), "run as root (sudo)");
    }
    // Before 5.11 maps count against the locked-memory limit.
    let (limit, _) = getrlimit(Resource::RLIMIT_MEMLOCK).ok()?;
    if limit < 16 << 20 && charges_locked_memory(&kernel::release()) {
        return untested(
            format!("the limit of locked memory ({} KiB) is too low for this kernel's maps", limit >> 10),
            "raise it: ulimit -l unlimited, or LimitMEMLOCK=infinity",
        );
    }
    if privileges::has(Capability::CAP_SYS_ADMIN) {
        return None;
    }
    match form {
        Form::Kprobe => untested(
            "kernel.perf_event_paranoid forbids kprobes to users without CAP_SYS_ADMIN".into(),
            "run as root (sudo), or sysctl kernel.perf_event_paranoid=2",
        ),
        Form::Classic => untested("tracefs is not readable for this user".into(), "run as root (sudo)"),
        Form::Fexit | Form::Btf => None,
    }
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
