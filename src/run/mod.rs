//! One run of a tool: attach, give up privileges, print rows until told to stop, report, end.

pub mod events;
pub mod groups;
pub mod losses;
pub mod printer;
pub mod report;
mod signals;
pub mod start;
pub mod wait;

use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::bail;
use nix::errno::Errno;

use crate::backends;
use crate::backends::Attached;
use crate::backends::Form;
use crate::backends::Skip;
use crate::kernel::btf::KernelBtf;
use crate::kernel::counters;
use crate::kernel::event;
use crate::kernel::ring::Ring;
use crate::kernel::ring::Stopped;
use crate::options::Ticks;
use crate::output::Sink;
use crate::output::Until;
use crate::output::Written;
use crate::output::say;
use crate::output::say::say;
use crate::privileges;
use crate::run::events::Events;
use crate::run::losses::Losses;
use crate::run::printer::Output;
use crate::run::printer::Printer;
use crate::run::printer::Style;
use crate::run::signals::Signals;
use crate::run::wait::Token;
use crate::run::wait::Wait;
use crate::tool::Left;
use crate::tool::Leftover;
use crate::tool::Tool;

/// While a run goes on, losses are reported at most once in this time, and so is a stdout that cannot be written.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// How long the end of a run may take, even if nobody reads its output. What is not written by then is counted.
const LAST_WORDS: Duration = Duration::from_millis(700);

/// How much of that is left for writing, however long it took to detach the programs.
const LAST_FLUSH: Duration = Duration::from_millis(200);

/// How long reading the maps may take then, even if less is left.
const LAST_READ: Duration = Duration::from_millis(200);

/// How long it may take while the programs run.
const READ: Duration = Duration::from_secs(5);

/// How much is left for writing the last lines, however long that took.
const LAST_LINES: Duration = Duration::from_millis(100);

/// Rows from the maps are written when they take so many bytes, which bounds the memory for them.
const MUCH: usize = 1 << 16;

/// How long to wait at the end for a record that a program has not completed, because it was preempted.
const UNFINISHED: Duration = Duration::from_millis(100);

/// Runs `tool` until a signal, `--duration`, `--max-events` or a closed stdout ends it.
///
/// # Errors
/// No backend works, or not all of the output could be written.
pub fn run<T: Tool>(tool: &T, output: Output) -> anyhow::Result<()> {
    signals::reset().context("cannot set what signals do")?;
    say::open();
    backends::log_libbpf(tool.run().verbose > 1);
    let shown = output.fields();
    let sink = Sink::new(std::io::stdout().as_fd()).context("cannot write to stdout")?;
    let printer = Printer::new(output, &style(tool), sink);
    let mut attached = start::attach_best(tool, &shown)?;
    KernelBtf::forget();
    let started = Instant::now();
    // Until now a signal is to end the process at once.
    let signals = Signals::hold().context("cannot wait for signals")?;
    if tool.run().verbose > 0 {
        say(T::NAME, format_args!("backend: {}", attached.form));
        for function in &attached.lacks {
            say(T::NAME, format_args!("without the programs on {function}, which do not work here"));
        }
    }
    for caveat in start::caveats(tool, attached.form) {
        say(T::NAME, caveat);
    }
    let ticks = tool.ticks();
    let mut session = Session {
        tool,
        signals,
        printer,
        reported: Losses::default(),
        next_report: started,
        failure: None,
        next_failure_report: started,
        unformatted: 0,
        ticks,
        // None where it lies beyond what the clock can say.
        tick: ticks.interval.and_then(|interval| started.checked_add(interval)),
        deadline: tool.run().duration.and_then(|duration| started.checked_add(duration)),
    };
    let rings: &[&str] = if tool.buffer().is_some() { &["events"] } else { &[] };
    let rings = rings.iter().map(|name| Ring::open(&attached.object, name).map(Events::new));
    let mut sources: Vec<Events> = rings.collect::<Result<_, _>>().context("cannot map the ring buffer")?;
    give_up_privileges(tool, &attached)?;

    session.printer.header();
    let end = session.trace(&mut sources, &attached)?;
    let ended = Instant::now();
    // This comes before anything that takes time, so that a second signal ends the process at once.
    session.signals.release().context("cannot take the signal")?;
    attached.detach();
    session.finish(&sources, &attached, end, (ended + LAST_WORDS).max(Instant::now() + LAST_FLUSH))
}

fn style<T: Tool>(tool: &T) -> Style {
    let options = tool.output();
    Style {
        tool: T::NAME,
        format: options.writing.format(),
        show_header: !options.writing.no_header,
        repeated: tool.ticks().interval.is_some(),
        record_size: size_of::<T::Event>(),
        limit: options.max_events.map_or(u64::MAX, Into::into),
    }
}

/// Keeps what the rest of the run needs, and says under `-v` what else had to stay.
fn give_up_privileges<T: Tool>(tool: &T, attached: &Attached) -> anyhow::Result<()> {
    let kept = privileges::give_up(&attached.calls())?;
    if tool.run().verbose > 0 {
        kept.iter().for_each(|kept| say(T::NAME, kept));
    }
    Ok(())
}

/// Why tracing ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// A signal, `--duration` or `--max-events`.
    Asked,
    /// Nobody reads stdout any more.
    Closed,
    /// All intervals that were asked for have been printed.
    Ticked,
}

struct Session<'a, T: Tool> {
    tool: &'a T,
    signals: Signals,
    printer: Printer,
    reported: Losses,
    next_report: Instant,
    /// Why stdout could not be written, the last time that this happened.
    failure: Option<Errno>,
    next_failure_report: Instant,
    ticks: Ticks,
    /// When to print next.
    tick: Option<Instant>,
    /// Rows that were left at the end, when stdout did not take any more.
    unformatted: u64,
    deadline: Option<Instant>,
}

impl<T: Tool> Session<'_, T> {
    /// Prints rows until something ends the run.
    fn trace(&mut self, sources: &mut [Events], attached: &Attached) -> anyhow::Result<End> {
        loop {
            if let Some(end) = self.flush(attached)? {
                return Ok(end);
            }
            if self.printer.limit_reached() {
                return Ok(End::Asked);
            }
            for token in self.wait(sources).context("cannot wait for events")? {
                match token {
                    Token::Signals | Token::Deadline => return Ok(End::Asked),
                    Token::Stdout => return Ok(End::Closed),
                    Token::Report => {}
                    Token::Source(source) => sources[source].read(&mut self.printer)?,
                    Token::Tick => {
                        sources.iter_mut().try_for_each(|source| source.read(&mut self.printer))?;
                        self.sample(attached, Instant::now() + READ)?;
                        self.printer.groups();
                        if self.was_last_tick() {
                            return Ok(End::Ticked);
                        }
                    }
                }
            }
            self.report_losses(attached)?;
        }
    }

    /// Waits for whatever comes next.
    fn wait(&self, sources: &[Events]) -> std::io::Result<Vec<Token>> {
        let mut wait = Wait::default();
        wait.readable(Token::Signals, self.signals.as_fd());
        wait.until(Token::Deadline, self.deadline);
        wait.gone(Token::Stdout, self.printer.sink.as_fd());
        for (at, source) in sources.iter().enumerate() {
            source.wait(Token::Source(at), &mut wait);
        }
        wait.until(Token::Tick, self.tick);
        // Losses may be all that there is to tell.
        wait.until(Token::Report, Some(self.next_report));
        wait.wait()
    }

    /// Sets the time of the next tick, unless this one was the last. An interval that was slept through is left out.
    fn was_last_tick(&mut self) -> bool {
        let (now, interval) = (Instant::now(), self.ticks.interval.unwrap_or_default());
        let next = self.tick.and_then(|tick| tick.checked_add(interval));
        self.tick = next.filter(|&next| next > now).or_else(|| now.checked_add(interval));
        self.ticks.count = self.ticks.count.map(|count| count - 1);
        self.ticks.count == Some(0)
    }

    /// Takes what the programs have gathered in maps.
    fn sample(&mut self, attached: &Attached, deadline: Instant) -> anyhow::Result<()> {
        let (tool, printer) = (self.tool, &mut self.printer);
        let taken = tool.sample(attached, deadline, &mut |sample| printer.sample(sample));
        taken.context("cannot read what was sampled")
    }

    /// Writes the rows, however long that takes, unless something ends the run; meanwhile it reports losses.
    fn flush(&mut self, attached: &Attached) -> anyhow::Result<Option<End>> {
        let mut written = self.flush_until_report()?;
        while written == Written::Interrupted && !self.is_asked_to_end()? {
            self.report_losses(attached)?;
            written = self.flush_until_report()?;
        }
        match written {
            Written::All => Ok(None),
            Written::Closed => Ok(Some(End::Closed)),
            Written::Interrupted => Ok(Some(End::Asked)),
            Written::Failed(error) => {
                self.failure = Some(error);
                let now = Instant::now();
                if now >= self.next_failure_report {
                    self.next_failure_report = now + REPORT_INTERVAL;
                    say(
                        T::NAME,
                        format_args!(
                            "cannot write to stdout ({}); rows are dropped until it is possible",
                            error.desc()
                        ),
                    );
                }
                Ok(None)
            }
        }
    }

    fn flush_until_report(&mut self) -> anyhow::Result<Written> {
        let deadline = self.deadline.map_or(self.next_report, |deadline| deadline.min(self.next_report));
        let until = Until { stop: Some(self.signals.as_fd()), deadline: Some(deadline) };
        self.printer.sink.flush(until).context("cannot wait for stdout")
    }

    fn is_asked_to_end(&self) -> anyhow::Result<bool> {
        let mut wait = Wait::default();
        wait.readable(Token::Signals, self.signals.as_fd());
        wait.until(Token::Deadline, self.deadline);
        wait.until(Token::Report, Some(Instant::now())); // no wait
        Ok(wait.wait().context("cannot wait for signals")?.iter().any(|&token| token != Token::Report))
    }

    fn losses(&self, attached: &Attached) -> anyhow::Result<Losses> {
        let counted = counters::read(&attached.object)?;
        Ok(Losses {
            ring: counted.ring_full,
            map: counted.map_full,
            half: counted.half_seen,
            skipped: attached.skipped(Skip::Row),
            untold: counted.untold,
            incomplete: counted.incomplete,
            unfollowed: counted.unfollowed,
            unseen: attached.skipped(Skip::Process),
        })
    }

    fn report_losses(&mut self, attached: &Attached) -> anyhow::Result<()> {
        let now = Instant::now();
        if now < self.next_report {
            return Ok(());
        }
        self.next_report = now + REPORT_INTERVAL;
        let losses = self.losses(attached)?;
        if losses != self.reported {
            self.reported = losses;
            tell_losses::<T>(&losses, "so far", attached.form);
            self.printer.losses(&losses);
        }
        Ok(())
    }

    /// The programs are detached: prints what is left, by `deadline`, and says what was lost.
    fn finish(mut self, sources: &[Events], attached: &Attached, end: End, deadline: Instant) -> anyhow::Result<()> {
        let is_read = end != End::Closed;
        // What is already in memory comes first: reading the maps may fail.
        let mut unfinished = 0;
        for source in sources.iter().filter(|_| is_read) {
            unfinished += self.last_rows(&source.ring, deadline)?;
        }
        let left = self.leftovers(attached, is_read, deadline);
        let mut sampled = Ok(());
        if is_read && end != End::Ticked {
            sampled = self.sample(attached, deadline.max(Instant::now() + LAST_READ));
            self.printer.groups();
        }
        let deadline = deadline.max(Instant::now() + LAST_LINES);
        let mut losses = self.losses(attached)?;
        losses.half += unfinished + left.as_ref().map_or(0, |left| left.half);
        tell_losses::<T>(&losses, "in all", attached.form);
        let mut written = Ok(());
        if is_read {
            self.printer.end(&losses, left.as_ref().ok().map(|left| left.pending));
            if self.flush_by(deadline)? != Written::Closed {
                written = self.all_is_written(sources);
            }
        }
        let written = written.and(sampled);
        let Err(error) = left else { return written };
        if let Err(other) = written {
            say(T::NAME, format_args!("{other:#}"));
        }
        bail!("cannot read what is in flight ({error}); what is pending is not counted")
    }

    /// Prints what the maps hold, as long as stdout takes it.
    fn leftovers(&mut self, attached: &Attached, is_read: bool, deadline: Instant) -> std::io::Result<Left> {
        let tool = self.tool;
        let (mut shown, mut is_taken, counts) = (0, is_read, self.printer.counts());
        let mut print = |leftover: Leftover<'_, T::Event>| {
            if !is_read || self.printer.limit_reached() {
                return;
            }
            shown += u64::from(matches!(leftover, Leftover::Pending(_)));
            if !counts && self.printer.sink.buffer.len() > MUCH {
                is_taken = is_taken && matches!(self.flush_by(deadline), Ok(Written::All));
            }
            match leftover {
                _ if !is_taken => self.unformatted += 1,
                Leftover::Ended(row) => self.printer.row(event::bytes(row)),
                Leftover::Pending(row) => self.printer.pending_row(event::bytes(row)),
            }
        };
        // Even if stdout has taken all of the time.
        let until = deadline.max(Instant::now() + LAST_READ);
        let left = tool.leftovers(attached.form, &attached.object, until, &mut print)?;
        if left.pending > shown {
            say(T::NAME, format_args!("{} were still pending", left.pending - shown));
        }
        Ok(left)
    }

    fn flush_by(&mut self, deadline: Instant) -> anyhow::Result<Written> {
        let until = Until { stop: None, deadline: Some(deadline) };
        let written = self.printer.sink.flush(until).context("cannot wait for stdout")?;
        if let Written::Failed(error) = written {
            self.failure = Some(error);
        }
        Ok(written)
    }

    /// Prints what is in the ring, a batch at a time, as long as stdout takes it. Returns how many records
    /// were passed over because a program never completed them.
    fn last_rows(&mut self, ring: &Ring, deadline: Instant) -> anyhow::Result<u64> {
        let mut unfinished = 0;
        let mut patience = deadline.min(Instant::now() + UNFINISHED);
        while !self.printer.limit_reached() {
            let read = self.printer.drain(ring)?;
            let written = if self.printer.counts() { Written::All } else { self.flush_by(deadline)? };
            let now = Instant::now();
            if matches!(written, Written::Closed | Written::Interrupted) || now >= deadline {
                break;
            }
            if read.bytes > 0 {
                patience = deadline.min(now + UNFINISHED);
            }
            match read.stopped {
                Stopped::Empty => break,
                Stopped::Busy if now < patience => thread::sleep(Duration::from_millis(1)),
                Stopped::Busy => {
                    ring.pass_over_busy();
                    unfinished += 1;
                }
                Stopped::Enough | Stopped::Damaged => {}
            }
        }
        Ok(unfinished)
    }

    /// An error where stdout did not take all lines, or there was no time to count all rows.
    fn all_is_written(&self, sources: &[Events]) -> anyhow::Result<()> {
        let (unread, is_exact) = if self.printer.limit_reached() { (0, true) } else { unread(sources) };
        let least = if is_exact { "" } else { "at least " };
        if unread > 0 && self.printer.counts() {
            bail!("{least}{unread} rows were not counted: there was no time left; a narrower filter leaves fewer");
        }
        let unwritten = match self.printer.sink.unwritten() + unread + self.unformatted {
            0 => return Ok(()),
            1 => "1 line was not written".to_owned(),
            lines => format!("{least}{lines} lines were not written"),
        };
        match self.failure {
            Some(error) => bail!("{unwritten} ({}); write to another place", error.desc()),
            None => bail!("{unwritten}: stdout was not read; read it faster, or write to a file"),
        }
    }
}

/// Records that were left in the rings, and whether that is all of them: the largest ring holds more than can be
/// counted in the time that is left (16 million a second).
fn unread(sources: &[Events]) -> (u64, bool) {
    const PIECE: usize = 1 << 16;
    let deadline = Instant::now() + LAST_LINES;
    let mut records = 0;
    for source in sources {
        loop {
            let read = source.ring.read(PIECE, |_| true);
            records += read.records as u64;
            match read.stopped {
                Stopped::Enough if Instant::now() < deadline => {}
                Stopped::Enough => return (records, false),
                Stopped::Empty | Stopped::Busy | Stopped::Damaged => break,
            }
        }
    }
    (records, true)
}

fn tell_losses<T: Tool>(losses: &Losses, when: &str, form: Form) {
    for line in losses::lines(losses, when, form, T::MAP_REMEDY) {
        say(T::NAME, line);
    }
}
