//! The tools. [`ALL`] is the one list from which the commands, help, links, manual pages, completions
//! and `check` come.

pub mod tcpaccept;
pub mod tcpconnect;

use clap::ArgMatches;
use clap::Command;
use clap::error::ErrorKind;

use crate::backends::Form;
use crate::backends::Refusal;
use crate::fields;
use crate::fields::Field;
use crate::output;
use crate::run;
use crate::run::Probed;
use crate::run::printer::Output;
use crate::tool::Manual;
use crate::tool::Tool;

/// Every tool, in the order of `--list`.
pub const ALL: &[Entry] = &[entry::<tcpconnect::TcpConnect>(), entry::<tcpaccept::TcpAccept>()];

/// A tool as the multi-call binary sees it.
pub struct Entry {
    pub name: &'static str,
    pub manual: Manual,
    /// The tool's own fields.
    fields: &'static [Field],
    /// The keys of the fields that rows are counted by where nothing else is asked for.
    pub counted_by: &'static [&'static str],
    command: fn() -> Command,
    run: fn(&ArgMatches) -> anyhow::Result<()>,
    probe: fn(Form) -> Result<Probed, Refusal>,
}

const fn entry<T: Tool>() -> Entry {
    Entry {
        name: T::NAME,
        manual: T::MANUAL,
        fields: T::FIELDS,
        counted_by: T::COUNTED.0,
        command: T::command,
        run: run::<T>,
        probe: |form| run::probe(&T::parse_from([T::NAME]), form),
    }
}

fn run<T: Tool>(matches: &ArgMatches) -> anyhow::Result<()> {
    let tool = T::from_arg_matches(matches)?;
    if tool.output().fields == ["list"] {
        return Ok(output::print(|out| fields::list(T::FIELDS, out))?);
    }
    let rows = tool.output().shown(T::FIELDS, &tool.table());
    let question = tool.output().question(T::FIELDS, T::COUNTED.0);
    match (rows, question) {
        (Ok(fields), Ok(None)) => run::run(&tool, Output::Rows(fields)),
        (Ok(_), Ok(Some(question))) => run::run(&tool, Output::Groups(Box::new(question), T::COUNTED.1)),
        (Err(error), _) => Err(wrong_value::<T>(&format!("--fields: {error}"))),
        (_, Err(error)) => Err(wrong_value::<T>(&error)),
    }
}

fn wrong_value<T: Tool>(error: &str) -> anyhow::Error {
    T::command().name(T::NAME).bin_name(T::NAME).error(ErrorKind::InvalidValue, error).into()
}

impl Entry {
    /// The tool called `name`.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|entry| entry.name == name)
    }

    /// Its command line.
    #[must_use]
    pub fn command(&self) -> Command {
        (self.command)().name(self.name).version(env!("CARGO_PKG_VERSION"))
    }

    /// Its fields, those that all tools have first.
    pub fn all_fields(&self) -> impl Iterator<Item = &'static Field> {
        fields::IDENTITY.iter().chain(self.fields)
    }

    /// Runs it until it ends or is ended.
    ///
    /// # Errors
    /// No backend works, or the output cannot be written.
    pub fn run(&self, matches: &ArgMatches) -> anyhow::Result<()> {
        (self.run)(matches)
    }

    /// Loads, attaches and detaches its programs in one form.
    ///
    /// # Errors
    /// They do not work here.
    pub fn probe(&self, form: Form) -> Result<Probed, Refusal> {
        (self.probe)(form)
    }
}
