//! libbpf's messages, the verifier's log among them.

use std::io::Write;
use std::io::stderr;

use libbpf_rs::PrintLevel;
use libbpf_rs::set_print;

/// Sends all of libbpf's messages to stderr, or, without `verbose`, none: what went wrong is told in
/// our own words.
pub fn log_libbpf(verbose: bool) {
    set_print(verbose.then_some((PrintLevel::Debug, |_, message| {
        // Nothing is to be done about a closed stderr.
        let _ = stderr().write_all(message.as_bytes());
    })));
}
