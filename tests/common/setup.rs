//! Where the rows of a run come from, as far as that may show in them.

use nix::unistd::Pid;

use super::backend::Backend;
use super::doer::Doer;
use super::machine;

/// Where the rows come from.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub backend: Backend,
    /// The tracepoint without BTF.
    pub classic: bool,
    /// lockdown=confidentiality.
    pub confidential: bool,
    /// The tracepoints of system calls can be attached: that takes a readable tracefs.
    pub syscalls: bool,
    /// The tool runs in a PID namespace of its own.
    pub pid_namespace: bool,
}

impl Setup {
    /// Of this machine; `backend_line` is what the tool says of the form of the backend that it took.
    pub fn here(backend: Backend, backend_line: &str) -> Setup {
        let classic = backend_line.contains("classic");
        assert!(!classic || !machine::has_btf(), "with BTF it fell back to the form that needs none");
        Setup {
            backend,
            classic,
            confidential: machine::is_confidential(),
            syscalls: machine::shows_tracefs(),
            pid_namespace: machine::is_in_pid_namespace(),
        }
    }

    /// Whether it cannot tell PIDs in namespaces below the tool's.
    pub fn hides_nested_pids(self) -> bool {
        self.pid_namespace && (self.classic || self.confidential)
    }

    /// Whoever did it, by the PID that rows give.
    pub fn named(self, by: &Doer, allowed: fn(&'static str) -> bool) -> Doer {
        let hidden = by.nested && self.hides_nested_pids() && allowed("nested-pids");
        if hidden { by.clone().of_process(Pid::from_raw(0)) } else { by.clone() }
    }

    /// All that there could be.
    pub fn every() -> Vec<Setup> {
        let mut setups = Vec::new();
        for backend in Backend::ALL {
            for bits in 0..16 {
                let [classic, confidential, syscalls, pid_namespace] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
                setups.push(Setup { backend, classic, confidential, syscalls, pid_namespace });
            }
        }
        setups
    }
}
