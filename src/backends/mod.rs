//! The ways into the kernel. A [`Backend`] is what the user chooses. A [`Form`] is one way to realise
//! it, which is tried by loading and attaching the tool's own programs ([`attach()`]). [`choose()`] takes the
//! first form that works, and keeps the reasons why others did not ([`Refusal`]).

mod attach;
mod btf_file;
mod choose;
pub(crate) mod layout;
mod libbpf_log;
mod needs;
mod refusal;
mod section;
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
pub use needs::Needs;
pub use refusal::Refusal;
pub use section::Section;
pub use section::Skip;

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
            Self::Tracepoint => &[Form::Typed, Form::Classic],
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
            // For tools that hook it; a part of the interface.
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
    /// With BTF: tracepoints as typed arguments, which need nothing else, and which the kernel skips only where the
    /// program itself is under way on that CPU; and those of system calls as records, which need a readable tracefs.
    Typed,
    /// Without BTF: tracepoints as records, which need a readable tracefs. A raw_tp program on the same event can catch what
    /// was missed: it has no record, but is skipped only where it is itself under way.
    Classic,
}

impl Form {
    #[must_use]
    pub fn backend(self) -> Backend {
        match self {
            Self::Trampoline => Backend::Fentry,
            Self::Kprobe => Backend::Kprobe,
            Self::Typed | Self::Classic => Backend::Tracepoint,
        }
    }

    /// Whether a program of this section makes it: without any such program there is no form.
    #[must_use]
    pub fn is_made_of(self, section: Section<'_>) -> bool {
        section.makes().contains(&self)
    }

    /// Whether a program of this section can be part of it.
    #[must_use]
    pub fn takes(self, section: Section<'_>) -> bool {
        self.is_made_of(section) || section.accompanies().contains(&self)
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
            Self::Typed => "tracepoint (BTF)",
            Self::Classic => "tracepoint (classic)",
        })
    }
}
