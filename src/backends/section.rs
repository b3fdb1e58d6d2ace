//! What a program of a BPF object hooks, as the name of its section says: parsed once, here, and matched on as a
//! value everywhere else.

use std::fmt;

use super::Form;

/// The section of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section<'a> {
    /// The entry of a function, by a trampoline.
    Fentry(&'a str),
    /// Its return.
    Fexit(&'a str),
    Kprobe(&'a str),
    Kretprobe(&'a str),
    /// The entries of all functions of this pattern (Linux 5.18).
    KprobeMulti(&'a str),
    KretprobeMulti(&'a str),
    /// A tracepoint as typed arguments, by BTF.
    TpBtf(&'a str),
    /// A tracepoint as a record: group and event.
    Tracepoint(&'a str, &'a str),
    /// A tracepoint as plain arguments.
    RawTp(&'a str),
    /// What the kernel has of a kind, one after the other: run when all else is attached, and whenever a run asks.
    Iter(&'a str),
    /// Nothing: user space runs it (`kernel::programs`).
    Run,
}

/// What it means that the kernel skipped a program (bpf_prog_info.recursion_misses).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// It does not skip it.
    Never,
    /// A row may be missing, and nothing else counts it.
    Row,
    /// A process may be missing from those that a filter follows, with all its rows.
    Process,
    /// A row is missing, and counted when the other half of its call is found.
    Half,
}

impl<'a> Section<'a> {
    /// The section of this name, which libbpf has rid of its `?`; `None` where the backends attach no such program.
    #[must_use]
    pub fn parse(name: &'a str) -> Option<Self> {
        let (kind, hook) = name.split_once('/').unwrap_or((name, ""));
        Some(match (kind, hook) {
            ("raw_tp", "") => Self::Run,
            (_, "") => return None,
            ("fentry", function) => Self::Fentry(function),
            ("fexit", function) => Self::Fexit(function),
            ("kprobe", function) => Self::Kprobe(function),
            ("kretprobe", function) => Self::Kretprobe(function),
            ("kprobe.multi", pattern) => Self::KprobeMulti(pattern),
            ("kretprobe.multi", pattern) => Self::KretprobeMulti(pattern),
            ("tp_btf", event) => Self::TpBtf(event),
            ("raw_tp", event) => Self::RawTp(event),
            ("iter", target) => Self::Iter(target),
            ("tracepoint", hook) => hook.split_once('/').map(|(group, event)| Self::Tracepoint(group, event))?,
            _ => return None,
        })
    }

    /// The name of what it hooks: a function, an event, the target of an iterator.
    #[must_use]
    pub fn hook(self) -> Option<&'a str> {
        match self {
            Self::Fentry(hook)
            | Self::Fexit(hook)
            | Self::Kprobe(hook)
            | Self::Kretprobe(hook)
            | Self::KprobeMulti(hook)
            | Self::KretprobeMulti(hook)
            | Self::TpBtf(hook)
            | Self::Tracepoint(_, hook)
            | Self::RawTp(hook)
            | Self::Iter(hook) => Some(hook),
            Self::Run => None,
        }
    }

    /// What programs of its kind are called.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Fentry(_) => "fentry",
            Self::Fexit(_) => "fexit",
            Self::Kprobe(_) => "kprobe",
            Self::Kretprobe(_) => "kretprobe",
            Self::KprobeMulti(_) => "kprobe.multi",
            Self::KretprobeMulti(_) => "kretprobe.multi",
            Self::TpBtf(_) => "tp_btf",
            Self::Tracepoint(..) => "tracepoint",
            Self::RawTp(_) | Self::Run => "raw_tp",
            Self::Iter(_) => "iter",
        }
    }

    /// The forms that a program of this section makes: without any such program there is no form.
    #[must_use]
    pub fn makes(self) -> &'static [Form] {
        match self {
            _ if self.is_of_processes() => &[],
            Self::Fentry(_) | Self::Fexit(_) => &[Form::Trampoline],
            Self::Kprobe(_) | Self::Kretprobe(_) | Self::KprobeMulti(_) | Self::KretprobeMulti(_) => &[Form::Kprobe],
            Self::TpBtf(_) => &[Form::Typed],
            Self::Tracepoint("syscalls", _) => &[Form::Typed, Form::Classic],
            Self::Tracepoint(..) | Self::RawTp(_) => &[Form::Classic],
            Self::Iter(_) | Self::Run => &[],
        }
    }

    /// The forms that can load it beside the programs that make them, if the tool says that it needs it. So the backends on
    /// functions load typed tracepoints for what functions do not tell.
    #[must_use]
    pub fn accompanies(self) -> &'static [Form] {
        match self {
            Self::TpBtf(_) if self.is_of_processes() => &[Form::Trampoline, Form::Kprobe, Form::Typed],
            Self::TpBtf(_) => &[Form::Trampoline, Form::Kprobe],
            Self::Iter(_) => &[Form::Trampoline, Form::Kprobe, Form::Typed],
            Self::Run => &[Form::Trampoline, Form::Kprobe, Form::Typed, Form::Classic],
            _ if !self.is_of_processes() => &[],
            Self::RawTp(_) => &[Form::Trampoline, Form::Kprobe, Form::Typed, Form::Classic],
            _ => &[Form::Classic],
        }
    }

    /// Whether it sees processes come and go, for the filters of any tool: no form is made of that.
    #[must_use]
    pub fn is_of_processes(self) -> bool {
        self.is_start_of_process() || self == Self::RawTp("sched_process_exit")
    }

    fn is_start_of_process(self) -> bool {
        matches!(self, Self::TpBtf("task_newtask") | Self::Tracepoint("task", "task_newtask"))
    }

    /// When a program is attached; programs are detached in the opposite order. Those that see calls return come first,
    /// those that see them begin come last, and all others in between, fentry programs too: no tool has them wait for a
    /// return. So nothing waits for an end that nobody will see, and no return is taken for that of a call in
    /// which nothing happened. Those that see processes start come before all of them. Iterators come after all of these:
    /// they look at what is there once the others see what comes. Programs of the same turn are attached in order
    /// from the end of the file to its beginning.
    #[must_use]
    pub fn turn(self) -> u8 {
        match self {
            _ if self.is_of_processes() => 0,
            Self::Fexit(_) | Self::Kretprobe(_) | Self::KretprobeMulti(_) => 0,
            Self::Tracepoint("syscalls", call) if call.starts_with("sys_exit_") => 0,
            Self::Tracepoint("syscalls", _) | Self::Kprobe(_) | Self::KprobeMulti(_) => 2,
            Self::Iter(_) => 3,
            _ => 1,
        }
    }

    /// What a skip costs. The kernel skips kprobe programs and classic tracepoints while another program or a bpf(2) map
    /// operation is under way on the same CPU (it tells how often since 6.7 or so). It skips all others where a softirq, or a
    /// task that preempts another one, enters a program that is already under way on that CPU (fexit since 5.12, raw and typed
    /// tracepoints since 6.1; before that never).
    #[must_use]
    pub fn skip(self) -> Skip {
        match self {
            // A call without its return is counted when it is found.
            Self::Kretprobe(_) | Self::KretprobeMulti(_) => Skip::Half,
            Self::Iter(_) | Self::Run => Skip::Never,
            _ if self.is_start_of_process() => Skip::Process,
            // Whoever gets the PID next is seen.
            _ if self.is_of_processes() => Skip::Never,
            _ => Skip::Row,
        }
    }

    /// The program that sees what this one misses, if the object has it: a raw_tp program of the same event catches
    /// or counts what a classic one misses.
    #[must_use]
    pub fn made_up_for_by(self) -> Option<Self> {
        match self {
            Self::Tracepoint(_, event) => Some(Self::RawTp(event)),
            _ => None,
        }
    }
}

impl fmt::Display for Section<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Tracepoint(group, event) => write!(f, "/{group}/{event}"),
            _ => self.hook().map_or(Ok(()), |hook| write!(f, "/{hook}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 15] = [
        "fentry/tcp_v4_connect",
        "fexit/tcp_v4_connect",
        "kprobe/tcp_v4_connect",
        "kretprobe/tcp_v4_connect",
        "kprobe.multi/tcp_*",
        "kretprobe.multi/tcp_*",
        "tp_btf/inet_sock_set_state",
        "tracepoint/sock/inet_sock_set_state",
        "tracepoint/syscalls/sys_exit_accept",
        "tp_btf/task_newtask",
        "tracepoint/task/task_newtask",
        "raw_tp/sched_process_exit",
        "raw_tp/inet_sock_set_state",
        "iter/task_file",
        "raw_tp",
    ];

    #[test]
    fn a_name_is_that_of_its_section() {
        for name in ALL {
            assert_eq!(Section::parse(name).unwrap().to_string(), name);
        }
        for bad in ["", "fentry", "fentry/", "iter", "tracepoint/sock", "lsm/socket_accept", "tp_btf/"] {
            assert_eq!(Section::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_section_has_its_forms() {
        let makes = |name: &'static str| Section::parse(name).unwrap().makes();
        assert_eq!(makes("fentry/security_sock_graft"), [Form::Trampoline]);
        assert_eq!(makes("kretprobe/inet_csk_accept"), [Form::Kprobe]);
        assert_eq!(makes("kprobe.multi/tcp_*"), [Form::Kprobe]);
        assert_eq!(makes("tp_btf/inet_sock_set_state"), [Form::Typed]);
        assert_eq!(makes("tracepoint/sock/inet_sock_set_state"), [Form::Classic]);
        assert_eq!(makes("tracepoint/syscalls/sys_exit_accept"), [Form::Typed, Form::Classic]);
        assert!(makes("iter/tcp").is_empty() && makes("raw_tp").is_empty());
        assert!(makes("tp_btf/task_newtask").is_empty() && makes("raw_tp/sched_process_exit").is_empty());
    }

    #[test]
    fn what_a_form_takes_along_does_not_make_it() {
        for section in ALL.map(|name| Section::parse(name).unwrap()) {
            for form in section.accompanies() {
                assert!(!section.makes().contains(form), "{section}");
            }
        }
    }

    #[test]
    fn returns_are_attached_first_then_entries_then_iterators() {
        let turn = |name: &'static str| Section::parse(name).unwrap().turn();
        assert!(turn("fexit/f") < turn("tp_btf/e") && turn("tp_btf/e") < turn("kprobe/f"));
        assert!(turn("tracepoint/syscalls/sys_exit_connect") < turn("tracepoint/syscalls/sys_enter_connect"));
        assert!(turn("kprobe/f") < turn("iter/tcp"));
    }
}
