//! The ways to run a tool in which the whole scenario is played. Which there are is each tool's own.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Text,
    Csv,
}

#[derive(Debug)]
pub struct Mode {
    pub name: &'static str,
    pub args: &'static [&'static str],
    pub format: Format,
}

impl Mode {
    pub fn has(&self, option: &str) -> bool {
        self.args.contains(&option)
    }
}

pub const fn mode(name: &'static str, args: &'static [&'static str], format: Format) -> Mode {
    Mode { name, args, format }
}
