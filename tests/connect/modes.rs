//! The ways to run tcpconnect in which all cases are played.

use crate::common::mode::Format;
use crate::common::mode::Mode;
use crate::common::mode::mode;

/// Every option that changes what a row is or when it comes is in one of them, in both formats; how columns combine is
/// for tests/format.rs. Three of them follow attempts to their end.
pub const ALL: &[Mode] = &[
    mode("default", &["--json"], Format::Json),
    mode("text-lport", &["-T", "-t", "-U", "-L"], Format::Text),
    mode("csv", &["--format", "csv", "--fields", "+ts,+uid"], Format::Csv),
    mode("failed", &["--json", "-x"], Format::Json),
    mode("text-failed-outcome", &["-x", "-t", "-L", "--outcome"], Format::Text),
    mode("outcome", &["--json", "--outcome"], Format::Json),
];

/// Every attempt has a row once it has ended.
pub fn outcome(mode: &Mode) -> bool {
    mode.has("--outcome")
}

/// Only attempts that did not reach ESTABLISHED have one.
pub fn failed(mode: &Mode) -> bool {
    mode.has("-x")
}

/// The local port is asked for.
pub fn lport(mode: &Mode) -> bool {
    mode.has("-L")
}

/// Whether rows wait for the end of their attempts.
pub fn waits(mode: &Mode) -> bool {
    outcome(mode) || failed(mode)
}
