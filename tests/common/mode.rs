//! The ways to run the tool in which the whole scenario is played.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Text,
}

#[derive(Debug)]
pub struct Mode {
    pub name: &'static str,
    pub args: &'static [&'static str],
    pub format: Format,
    /// Every attempt has a row once it has ended.
    pub outcome: bool,
    /// Only attempts that did not reach ESTABLISHED have one.
    pub failed: bool,
    /// The local port is asked for.
    pub lport: bool,
}

impl Mode {
    /// Whether rows wait for the end of their attempts.
    pub fn waits(&self) -> bool {
        self.outcome || self.failed
    }
}

pub const fn mode(name: &'static str, args: &'static [&'static str], format: Format) -> Mode {
    Mode { name, args, format, outcome: false, failed: false, lport: false }
}

/// Of tcpconnect. Every option that changes what a row is or when it comes is in one of them, in both formats; how
/// columns combine is for tests/format.rs.
pub const MODES: &[Mode] = &[
    mode("default", &["--json"], Format::Json),
    Mode { lport: true, ..mode("text-lport", &["-T", "-t", "-U", "-L"], Format::Text) },
];

/// Those that follow attempts to their end.
pub const OUTCOME_MODES: &[Mode] = &[
    Mode { failed: true, ..mode("failed", &["--json", "-x"], Format::Json) },
    Mode { outcome: true, ..mode("outcome", &["--json", "--outcome"], Format::Json) },
    Mode {
        failed: true,
        outcome: true,
        lport: true,
        ..mode("text-failed-outcome", &["-x", "-t", "-L", "--outcome"], Format::Text)
    },
];
