//! Where the rows of a run come from, as far as that may show in them.

use super::backend::Backend;
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
}

impl Setup {
    /// Of this machine; `backend_line` is what the tool says of the form of the backend that it took.
    pub fn here(backend: Backend, backend_line: &str) -> Setup {
        let classic = backend_line.contains("classic");
        assert!(!classic || !machine::has_btf(), "with BTF it fell back to the form that needs none");
        Setup { backend, classic, confidential: machine::is_confidential(), syscalls: machine::shows_tracefs() }
    }

    /// All that there could be.
    pub fn every() -> Vec<Setup> {
        let mut setups = Vec::new();
        for backend in Backend::ALL {
            for bits in 0..8 {
                let [classic, confidential, syscalls] = [1, 2, 4].map(|bit| bits & bit != 0);
                setups.push(Setup { backend, classic, confidential, syscalls });
            }
        }
        setups
    }
}
