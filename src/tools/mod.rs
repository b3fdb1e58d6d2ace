//! The tools. [`ALL`] is the one list from which the commands, help, links, manual pages, completions
//! and `check` come.

pub mod tcpaccept;
pub mod tcpconnect;
pub mod tcprtt;

use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;
use std::time::Instant;

use clap::ArgMatches;
use clap::Command;
use clap::Parser;
use clap::error::ErrorKind;
use libbpf_rs::Object;
use libbpf_rs::OpenObject;

use crate::args::Common;
use crate::backends::Form;
use crate::backends::Lacks;
use crate::backends::Optional;
use crate::backends::Refusal;
use crate::event::Plain;
use crate::fields;
use crate::fields::Field;
use crate::groups::Question;
use crate::output;
use crate::printer::Output;
use crate::privileges::Call;
use crate::session;
use crate::session::Probed;

/// Every tool, in the order of `--list`.
pub const ALL: &[Entry] = &[entry::<tcpconnect::TcpConnect>(), entry::<tcpaccept::TcpAccept>(), entry::<tcprtt::TcpRtt>()];

/// A tool: its command line, and how its events become rows.
pub trait Tool: Parser {
    /// The compiled bpf/NAME.bpf.c.
    const OBJECT: &'static [u8];
    const NAME: &'static str;
    const MANUAL: Manual;
    /// What helps where a map was full.
    const MAP_REMEDY: &'static str = "a narrower filter";
    /// The record that its programs send.
    type Event: Plain;

    fn common(&self) -> &Common;

    /// `-P`; which port is meant is the tool's affair.
    fn ports(&self) -> &[RangeInclusive<u16>];

    /// Functions that its programs hook where that works.
    const OPTIONAL: &'static [Optional] = &[];

    /// Whether a run with these options needs the program of this section, `fexit/FUNCTION` say. Asked
    /// for all that the form can take; by default only those that it is made of are needed. Programs on a
    /// function that the kernel `lacks` are left out whatever is said of them.
    fn loads(&self, form: Form, _lacks: Lacks<'_>, section: &str) -> bool {
        form.is_made_of(section)
    }

    /// Sets the tool's own constants and the sizes of its own maps.
    ///
    /// # Errors
    /// The object is not this tool's.
    fn configure(&self, form: Form, lacks: Lacks<'_>, object: &mut OpenObject) -> libbpf_rs::Result<()>;

    /// Options in which a run may have other caveats than without any, for `check`.
    const MODES: &'static [&'static str] = &[];

    /// What a run in this form, on this machine, cannot show although the options ask for it.
    fn caveat(&self, _form: Form) -> Option<&'static str> {
        None
    }

    /// The tool's own fields, after [`IDENTITY`](crate::fields::IDENTITY), in the order of JSON.
    const FIELDS: &'static [Field];

    /// What rows are counted by where nothing else is asked for, and the header of their number.
    const COUNTED: (&'static [&'static str], &'static str);

    /// The keys of the fields that the table shows with these options, without times and user.
    fn table(&self) -> Vec<&'static str>;

    /// Where the programs count, and send no records (bpf/histogram.h): what one step of their scale is, in base units.
    fn counts_in(&self) -> Option<u64> {
        None
    }

    /// What is counted, where rows are not shown.
    ///
    /// # Errors
    /// The options contradict each other, or name a field that there is not.
    fn question(&self) -> Result<Option<Question>, String> {
        self.common().question(Self::FIELDS, Self::COUNTED.0)
    }

    /// How often to print what was counted; otherwise once, at the end.
    fn interval(&self) -> Option<Duration> {
        self.common().counting.interval
    }

    /// What [`leftovers`](Self::leftovers) asks of the kernel. All else fails by then.
    fn calls(&self, _form: Form) -> &'static [Call] {
        &[]
    }

    /// What is still in the maps once the programs are detached and the ring is empty: each row goes to `take`.
    ///
    /// # Errors
    /// The kernel refuses to read a map, or it takes longer than `deadline`. What is pending is then not known.
    fn leftovers(
        &self,
        _form: Form,
        _object: &Object,
        _deadline: Instant,
        _take: &mut dyn FnMut(Leftover<'_, Self::Event>),
    ) -> io::Result<Left> {
        Ok(Left::default())
    }
}

/// A row that a run leaves in its maps.
#[derive(Debug, Clone, Copy)]
pub enum Leftover<'a, E> {
    /// Nothing will complete it any more.
    Ended(&'a E),
    /// Of what is still under way.
    Pending(&'a E),
}

/// What else it leaves there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// What is still under way, shown or not.
    pub pending: u64,
    /// Calls whose return was never seen, and with it their rows.
    pub half: u64,
}

/// What a tool's manual page says beyond its command line and what it shares with the other tools.
/// Prose: a string is a paragraph, backticks enclose what is literal.
pub struct Manual {
    pub description: &'static [&'static str],
    /// Command, what it does.
    pub examples: &'static [(&'static str, &'static str)],
    /// Backend, what it hooks and what that asks of the kernel.
    pub backends: &'static [(&'static str, &'static str)],
    /// Where backends differ in what they show. The tests allow these and no others.
    pub differences: &'static [Difference],
    pub overhead: &'static [&'static str],
    pub see_also: &'static [&'static str],
}

/// One way in which a backend may show something else than the others.
pub struct Difference {
    /// What the tests call it by.
    pub id: &'static str,
    /// The backend, and the circumstances.
    pub when: &'static str,
    /// How its rows differ, and why they have to.
    pub what: &'static str,
}

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
        probe: |form| session::probe(&T::parse_from([T::NAME]), form),
    }
}

fn run<T: Tool>(matches: &ArgMatches) -> anyhow::Result<()> {
    let tool = T::from_arg_matches(matches)?;
    if tool.common().fields == ["list"] {
        return Ok(output::print(|out| fields::list(T::FIELDS, out))?);
    }
    let rows = tool.common().shown(T::FIELDS, &tool.table());
    let question = tool.question();
    match (rows, question) {
        (Ok(fields), Ok(None)) => session::run(&tool, Output::Rows(fields)),
        (Ok(_), Ok(Some(question))) => session::run(&tool, Output::Groups(Box::new(question), T::COUNTED.1)),
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
