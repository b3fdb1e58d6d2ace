//! libbpf's messages, the verifier's log among them.

use libbpf_rs::PrintLevel;
use libbpf_rs::set_print;

use crate::output::say;

/// Sends all of libbpf's messages to stderr; without `verbose` none, as errors are then told in our own words only.
pub fn log_libbpf(verbose: bool) {
    set_print(verbose.then_some((PrintLevel::Debug, |_, message| {
        say::write(format_args!("{message}"));
    })));
}
