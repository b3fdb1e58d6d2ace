//! What a tool is: its command line, what a run of it needs, and how its events become rows. The registry
//! (`tools`) binds each to a run, which knows no tool but by this contract.

use std::io;
use std::time::Instant;

use clap::Parser;
use libbpf_rs::Object;

use crate::backends::Attached;
use crate::backends::Form;
use crate::backends::Lacks;
use crate::backends::Needs;
use crate::backends::Optional;
use crate::backends::Refusal;
use crate::fields;
use crate::fields::Field;
use crate::fields::Kind;
use crate::kernel::event::Plain;
use crate::options::Buffer;
use crate::options::Output;
use crate::options::Run;
use crate::options::Ticks;
use crate::options::filter::Filter;
use crate::options::question::Question;
use crate::output::Distribution;

/// The longest address: eight groups of four digits.
const WIDEST_ADDRESS: usize = 39;

/// A tool: its command line, and how its events become rows.
pub trait Tool: Parser {
    /// The compiled bpf/NAME.bpf.c. (What else a command line has, `command` and `try_parse_from`, is clap's.)
    const OBJECT: &'static [u8];
    const NAME: &'static str;
    const MANUAL: Manual;
    /// What helps where a map was full.
    const MAP_REMEDY: &'static str = "a narrower filter";
    /// The record that its programs send.
    type Event: Plain;

    /// What to print.
    fn output(&self) -> &Output;

    /// How to run.
    fn run(&self) -> &Run;

    /// Which rows are wanted, by its options.
    fn filter(&self) -> Filter<'_>;

    /// Functions that its programs hook only where that works.
    const OPTIONAL: &'static [Optional] = &[];

    /// Whether this form can do what the options ask for.
    ///
    /// # Errors
    /// It cannot.
    fn can_be(&self, _form: Form) -> Result<(), Refusal> {
        Ok(())
    }

    /// What a run with these options needs of the object. Programs on a function that the kernel `lacks` are left out
    /// whatever is said of them.
    fn needs(&self, form: Form, lacks: Lacks<'_>) -> Needs;

    /// The sets of options that `check` tries. A backend works if it works with the first; `check` also says which others
    /// it does not work with.
    const PROBES: &'static [&'static [&'static str]] = &[&[]];

    /// What a run in this form, on this machine, cannot show although the options ask for it.
    fn caveat(&self, _form: Form) -> Option<&'static str> {
        None
    }

    /// The keys of those fields of all tools that it does not have.
    const WITHOUT: &'static [&'static str] = &[];

    /// The tool's own fields, after [`IDENTITY`](crate::fields::IDENTITY), in the order of JSON.
    const FIELDS: &'static [Field];

    /// All its fields.
    #[must_use]
    fn fields() -> Vec<Field> {
        let common = fields::IDENTITY.iter().filter(|field| !Self::WITHOUT.contains(&field.key));
        common.chain(Self::FIELDS).copied().collect()
    }

    /// What rows are counted by where nothing else is asked for, and the header of their number.
    const COUNTED: (&'static [&'static str], &'static str);

    /// The keys of the fields that the table shows with these options, without times and user.
    fn table(&self) -> Vec<&'static str>;

    /// The option without which the field of this key is never known, if a run has not got it.
    fn missing_option(&self, _key: &str) -> Option<&'static str> {
        None
    }

    /// Whether the table is to have room for the longest address.
    fn is_wide(&self) -> bool {
        false
    }

    /// The fields that rows show.
    ///
    /// # Errors
    /// `--fields` names one that there is not, or leaves none.
    fn shown(&self) -> Result<Vec<Field>, String> {
        let mut shown = self.output().shown(Self::FIELDS, &self.table())?;
        for field in shown.iter_mut().filter(|field| self.is_wide() && field.kind == Kind::Address) {
            field.width = WIDEST_ADDRESS;
        }
        Ok(shown)
    }

    /// How large the ring buffer `events` is to be, through which its programs send records; `None`: they send none.
    fn buffer(&self) -> Option<&Buffer>;

    /// How often what was counted or sampled is printed.
    fn ticks(&self) -> Ticks {
        Ticks::of(&self.output().counting.grouping)
    }

    /// What is to be counted, where rows are not shown.
    ///
    /// # Errors
    /// The options contradict each other, or name a field that there is not.
    fn question(&self) -> Result<Option<Question>, String> {
        self.output().question(&Self::fields(), Self::COUNTED.0)
    }

    /// What programs have gathered in maps since the last time: each row or group goes to `take`, in the order in which
    /// they are to be shown, and is no longer in the maps. Asked at each tick, and at the end. The calls for it are among
    /// what the tool [`needs`](Self::needs).
    ///
    /// # Errors
    /// The kernel refuses to read a map, or it takes longer than `deadline`.
    fn sample(
        &self,
        _attached: &Attached,
        _deadline: Instant,
        _take: &mut dyn FnMut(Sample<'_, Self::Event>),
    ) -> io::Result<()> {
        Ok(())
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

/// What programs have gathered in maps.
pub enum Sample<'a, E> {
    /// A row of its own.
    Row(&'a E),
    /// Rows that were counted in the kernel: so many that are like this one in the fields that they are counted by, or,
    /// without one, all rows, or those for which there was no room.
    Group { like: Option<&'a E>, count: u64, distribution: Distribution },
}

/// A row that a run leaves in its maps.
#[derive(Debug, Clone, Copy)]
pub enum Leftover<'a, E> {
    /// It has ended, but nothing told user space.
    Ended(&'a E),
    /// It is of something that is still under way.
    Pending(&'a E),
}

/// What else it leaves there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// What is pending, shown or not.
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
