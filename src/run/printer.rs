//! From records to written rows.

use std::time::Instant;

use anyhow::bail;

use crate::fields;
use crate::fields::Context;
use crate::fields::Field;
use crate::fields::Row;
use crate::fields::VERSION;
use crate::kernel::clock;
use crate::kernel::event;
use crate::kernel::event::Kept;
use crate::kernel::event::Plain;
use crate::kernel::ring::Read;
use crate::kernel::ring::Ring;
use crate::kernel::ring::Stopped;
use crate::options::question::Question;
use crate::output::Format;
use crate::output::Sink;
use crate::output::Value;
use crate::output::Writer;
use crate::output::say::say;
use crate::run::groups::Groups;
use crate::run::losses::Losses;
use crate::run::report::Report;
use crate::tool::Sample;

/// So many records are taken from the ring before their rows are written, which bounds the memory for them.
const BATCH: usize = 512;

/// What a run prints.
pub enum Output {
    /// A row for each event, with these fields.
    Rows(Vec<Field>),
    /// How many rows there were, and what they are called in the table.
    Groups(Box<Question>, &'static str),
}

impl Output {
    /// What has to be known of each event.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        match self {
            Self::Rows(fields) => fields.clone(),
            Self::Groups(question, _) => question.fields(),
        }
    }
}

/// How a run prints it.
pub struct Style {
    pub tool: &'static str,
    pub format: Format,
    pub show_header: bool,
    /// Groups are printed at intervals.
    pub repeated: bool,
    /// Bytes of a record.
    pub record_size: usize,
    /// The most rows to take.
    pub limit: u64,
}

/// Formats rows into a sink, or counts them.
pub struct Printer {
    pub sink: Sink,
    output: Formatted,
    /// Writes rows, and objects that are no rows.
    writer: Writer,
    context: Context,
    record_size: usize,
    rows: u64,
    limit: u64,
    /// When groups began to count.
    since: Instant,
}

enum Formatted {
    Rows(Vec<Field>),
    Groups(Box<(Groups, Report)>),
}

impl Printer {
    pub fn new(output: Output, style: &Style, sink: Sink) -> Self {
        let &Style { tool, format, show_header, repeated, record_size, limit } = style;
        let mut columns: Vec<_> = output.fields().iter().map(Field::column).collect();
        for column in &mut columns {
            column.constant = match &*column.key {
                "v" => Some(VERSION.to_string()),
                "tool" => Some(format!("\"{tool}\"")),
                _ => None,
            };
        }
        let output = match output {
            Output::Rows(fields) => Formatted::Rows(fields),
            Output::Groups(question, counted) => {
                let report = Report::new(&question, counted, format, repeated, show_header);
                Formatted::Groups(Box::new((Groups::new(*question), report)))
            }
        };
        Self {
            sink,
            output,
            writer: format.writer(columns, show_header),
            context: Context::new(tool, clock::wall_offset()),
            record_size,
            rows: 0,
            limit,
            since: Instant::now(),
        }
    }

    /// Writes the header, if one is wanted.
    pub fn header(&mut self) {
        match &mut self.output {
            Formatted::Rows(_) => self.writer.header(&mut self.sink.buffer),
            Formatted::Groups(counting) => counting.1.header(&mut self.sink.buffer),
        }
    }

    /// Prints what has been counted since the last time, and begins anew; nothing where rows are shown.
    pub fn groups(&mut self) {
        let Formatted::Groups(counting) = &mut self.output else { return };
        let (groups, report) = &mut **counting;
        let others = groups.others();
        if others > 0 {
            let most = groups.question.max_groups;
            say(
                self.context.tool,
                format_args!(
                    "{others} rows of more than {most} groups are counted as `other`; --max-groups allows more"
                ),
            );
        }
        let interval = self.since.elapsed();
        self.since = Instant::now();
        report.print(groups, &self.context, clock::wall_now(), interval, &mut self.sink.buffer);
    }

    /// Whether rows are counted: then they do not wait for stdout.
    pub fn counts(&self) -> bool {
        matches!(self.output, Formatted::Groups(..))
    }

    /// Whether `--max-events` rows are printed.
    pub fn limit_reached(&self) -> bool {
        self.rows >= self.limit
    }

    /// Formats a batch of what is in the ring.
    ///
    /// # Errors
    /// A record is not of this tool, which is a fault of bpftools.
    pub fn drain(&mut self, ring: &Ring) -> anyhow::Result<Read> {
        if self.limit_reached() {
            return Ok(Read { records: 0, bytes: 0, stopped: Stopped::Empty });
        }
        self.context.wall_offset = clock::wall_offset();
        let mut wrong_size = None;
        let read = ring.read(BATCH, |record| {
            if record.len() == self.record_size {
                self.row(record);
            } else {
                wrong_size = Some(record.len());
            }
            wrong_size.is_none() && !self.limit_reached()
        });
        if let Some(len) = wrong_size {
            bail!("a record of {len} bytes is no event of this tool; report this as a fault");
        }
        if read.stopped == Stopped::Damaged {
            bail!("the ring buffer holds a record that reaches beyond its end; report this as a fault");
        }
        Ok(read)
    }

    /// Formats a row.
    pub fn row(&mut self, record: &[u8]) {
        self.format(record);
        self.rows += 1;
    }

    /// Formats a row of what is pending at the end. It is not counted among the rows.
    pub fn pending_row(&mut self, record: &[u8]) {
        self.format(record);
    }

    #[inline]
    fn format(&mut self, record: &[u8]) {
        let row = Row::new(record, &self.context);
        match &mut self.output {
            Formatted::Rows(fields) => fields::write(fields, row, &mut self.writer, &mut self.sink.buffer),
            Formatted::Groups(counting) => counting.0.add(row),
        }
    }

    /// Takes what was gathered in the kernel: a row, or a group of rows.
    pub fn sample<E: Plain>(&mut self, sample: Sample<'_, E>) {
        let (like, count, distribution) = match sample {
            Sample::Row(_) if self.limit_reached() => return,
            Sample::Row(row) => return self.row(event::bytes(row)),
            Sample::Group { like, count, distribution } => (like, count, distribution),
        };
        let Formatted::Groups(counting) = &mut self.output else { return };
        let nothing = Kept::new(&vec![0; self.record_size]);
        let row = Row::new(like.map_or(nothing.record(), event::bytes), &self.context);
        let is_other = like.is_none() && !counting.0.question.by.is_empty();
        counting.0.insert(row, is_other, count, distribution);
        self.rows += count;
    }

    /// What the format says of losses so far.
    pub fn losses(&mut self, losses: &Losses) {
        self.object(losses, &[]);
    }

    /// What it says at the end; `pending` is what was still under way then, if that is known.
    pub fn end(&mut self, losses: &Losses, pending: Option<u64>) {
        let pending = pending.map_or(Value::Unknown, Value::Number);
        let unwritten = match self.sink.dropped() {
            0 => Value::Unknown,
            lines => Value::Number(lines),
        };
        self.object(
            losses,
            &[("end", Value::True), ("rows", Value::Number(self.rows)), ("pending", pending), ("unwritten", unwritten)],
        );
    }

    fn object(&mut self, losses: &Losses, more: &[(&str, Value<'_>)]) {
        let head = [
            ("v", Value::Number(VERSION)),
            ("tool", Value::Word(self.context.tool)),
            ("ts", Value::Time(clock::wall_now())),
            ("kind", Value::Word("losses")),
        ];
        let pairs: Vec<_> = head.into_iter().chain(losses.pairs()).chain(more.iter().copied()).collect();
        self.writer.object(&pairs, &mut self.sink.buffer);
    }
}
