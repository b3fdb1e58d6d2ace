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

const fn mode(name: &'static str, args: &'static [&'static str], format: Format) -> Mode {
    Mode { name, args, format, outcome: false, failed: false, lport: false }
}

pub const MODES: &[Mode] = &[
    mode("default", &["--json"], Format::Json),
    Mode { lport: true, ..mode("lport", &["--json", "-L"], Format::Json) },
    mode("text", &["-t", "-U"], Format::Text),
    Mode { lport: true, ..mode("text-lport", &["-T", "-t", "-U", "-L"], Format::Text) },
];

/// Those that follow attempts to their end; played where the tool has the options.
pub const OUTCOME_MODES: &[Mode] = &[
    Mode { failed: true, ..mode("failed", &["--json", "-x"], Format::Json) },
    Mode { outcome: true, ..mode("outcome", &["--json", "--outcome"], Format::Json) },
    Mode { failed: true, outcome: true, ..mode("failed-outcome", &["--json", "-x", "--outcome"], Format::Json) },
    Mode { failed: true, lport: true, ..mode("text-failed", &["-x", "-L"], Format::Text) },
    Mode { outcome: true, lport: true, ..mode("text-outcome", &["-t", "-U", "-L", "--outcome"], Format::Text) },
];
