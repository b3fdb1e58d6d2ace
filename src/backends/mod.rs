//! The ways into the kernel. A [`Backend`] is what the user chooses; a [`Form`] is one way to realise
//! it, tried by loading and attaching the tool's own programs ([`attach`]). [`choose`] takes the
//! first that works and keeps why the others did not ([`Refusal`]).

mod attach;
mod btf_file;
mod choose;
pub(crate) mod layout;
mod libbpf_log;
mod refusal;
mod typed;

use std::fmt;

use clap::ValueEnum;
use clap::builder::PossibleValue;

pub use attach::Attached;
pub use attach::Lacks;
pub use attach::Optional;
pub use attach::Plan;
pub use attach::attach;
pub use choose::Choice;
pub use choose::choose;
pub use libbpf_log::log_libbpf;
pub use refusal::Refusal;

/// A way to see what the kernel does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// fentry and fexit programs: arguments and result of a function in one cheap call.
    Fentry,
    /// Kprobes and kretprobes on functions.
    Kprobe,
    /// Places that the kernel itself keeps for tracers, such as the state changes of sockets.
    Tracepoint,
}

impl Backend {
    /// All backends, in the order in which `auto` tries them.
    pub const ALL: [Self; 3] = [Self::Fentry, Self::Kprobe, Self::Tracepoint];

    /// The word for it on the command line and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fentry => "fentry",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
        }
    }

    /// The ways to realise it, the best first.
    #[must_use]
    pub fn forms(self) -> &'static [Form] {
        match self {
            Self::Fentry => &[Form::Trampoline],
            Self::Kprobe => &[Form::Kprobe],
            Self::Tracepoint => &[Form::Btf, Form::Classic],
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl ValueEnum for Backend {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let value = PossibleValue::new(self.name());
        Some(match self {
            Self::Tracepoint => value.alias("sock:inet_sock_set_state"),
            _ => value,
        })
    }
}

/// One way to realise a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Trampoline,
    Kprobe,
    /// With BTF. The tracepoint as typed arguments, which needs nothing else and which the kernel skips
    /// only where it is itself at work on that CPU; and those of system calls, as records, which need a readable tracefs.
    Btf,
    /// Without BTF. The tracepoint as a record: needs a readable tracefs. A raw_tp program on the same event, which
    /// is skipped only where it is itself at work, but has no record, can catch what it missed.
    Classic,
}

impl Form {
    #[must_use]
    pub fn backend(self) -> Backend {
        match self {
            Self::Trampoline => Backend::Fentry,
            Self::Kprobe => Backend::Kprobe,
            Self::Btf | Self::Classic => Backend::Tracepoint,
        }
    }

    /// Whether a program of this section makes it: without any such program there is no form.
    #[must_use]
    pub fn is_made_of(self, section: &str) -> bool {
        match (self, section.split('/').next()) {
            (Self::Trampoline, Some("fentry" | "fexit")) => true,
            (Self::Kprobe, Some("kprobe" | "kretprobe")) => true,
            (Self::Btf, Some("tp_btf")) => true,
            (Self::Btf, Some("tracepoint")) => section.starts_with("tracepoint/syscalls/"),
            (Self::Classic, Some("tracepoint" | "raw_tp")) => section.contains('/'),
            _ => false,
        }
    }

    /// Whether a program of this section can be part of it. Function hooks take typed tracepoints
    /// along for what functions do not tell, and all take programs that user space runs, which have no hook; a tool
    /// says when it needs them ([`Plan::loads`]).
    #[must_use]
    pub fn takes(self, section: &str) -> bool {
        let alongside = matches!(self, Self::Trampoline | Self::Kprobe) && section.starts_with("tp_btf/");
        self.is_made_of(section) || alongside || section == "raw_tp"
    }

    /// Whether its programs are relocated by, or attached through, the kernel's BTF.
    #[must_use]
    pub fn needs_btf(self) -> bool {
        self != Self::Classic
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trampoline => "fentry",
            Self::Kprobe => "kprobe",
            Self::Btf => "tracepoint (BTF)",
            Self::Classic => "tracepoint (classic)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_takes_along_does_not_make_it() {
        for form in [Form::Trampoline, Form::Kprobe] {
            assert!(form.takes("tp_btf/inet_sock_set_state"));
            assert!(!form.is_made_of("tp_btf/inet_sock_set_state"));
        }
    }

    #[test]
    fn each_section_has_its_forms() {
        let forms = |section: &str| {
            let all = [Form::Trampoline, Form::Kprobe, Form::Btf, Form::Classic];
            all.into_iter().filter(|form| form.is_made_of(section)).collect::<Vec<_>>()
        };
        assert_eq!(forms("fentry/security_sock_graft"), [Form::Trampoline]);
        assert_eq!(forms("kretprobe/inet_csk_accept"), [Form::Kprobe]);
        assert_eq!(forms("tp_btf/inet_sock_set_state"), [Form::Btf]);
        assert_eq!(forms("tracepoint/sock/inet_sock_set_state"), [Form::Classic]);
        assert_eq!(forms("tracepoint/syscalls/sys_exit_accept"), [Form::Btf, Form::Classic]);
        assert!(forms("lsm/socket_accept").is_empty());
    }
}
