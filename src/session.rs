//! One run of a tool: attach, give up privileges, print rows until told to stop, report, end.

use std::os::fd::AsFd;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::anyhow;
use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;

use crate::backends;
use crate::backends::Attached;
use crate::backends::Backend;
use crate::backends::Form;
use crate::backends::Plan;
use crate::backends::Refusal;
use crate::backends::choose;
use crate::maps;
use crate::output::Losses;
use crate::output::Sink;
use crate::output::Written;
use crate::printer::Printer;
use crate::privileges;
use crate::ring::Ring;
use crate::signals::Signals;
use crate::tools::Tool;

/// How long rows may gather in the ring while events keep coming. The kernel wakes us for the first
/// event after a pause only, not for each one, which would cost more than all the rest.
///
/// With the wake-up and the write, 99 of 100 rows are read within 19 ms (1,000 events a second).
const NAP: Duration = Duration::from_millis(19);

/// At most this often losses are told while running.
const LOSS_INTERVAL: Duration = Duration::from_secs(1);

/// How long the last rows wait for a reader that does not read.
const LAST_FLUSH: u16 = 500; // milliseconds

/// Runs `tool` until a signal, `--duration`, `--max-events` or a closed stdout ends it.
///
/// # Errors
/// No backend works, or the output cannot be written.
pub fn run<T: Tool>(tool: &T) -> anyhow::Result<()> {
    let signals = Signals::hold().context("cannot wait for signals")?;
    backends::log_libbpf(tool.common().verbose > 1);
    let mut attached = attach_best(tool)?;
    let started = Instant::now();
    if let Some(caveat) = tool.caveat(attached.form) {
        eprintln!("{}: {caveat}", T::NAME);
    }
    let stdout = std::io::stdout();
    let mut session = Session {
        tool,
        signals,
        printer: Printer::new(tool, Sink::new(stdout.as_fd()).context("cannot write to stdout")?),
        reported: Losses::default(),
        report_again: started,
        deadline: tool.common().duration.map(|duration| started + duration),
    };
    let ring = Ring::open(&attached.object, "events").context("cannot map the ring buffer")?;
    privileges::drop_unneeded(tool.reads_maps(attached.form))?;

    session.printer.header();
    let end = session.trace(&ring, &attached)?;
    attached.detach();
    session.finish(&ring, &attached, end)
}

/// Loads, attaches and detaches the programs of `tool` in one form.
///
/// # Errors
/// They do not work here.
pub fn probe<T: Tool>(tool: &T, form: Form) -> Result<(), Refusal> {
    with_plan(tool, |plan| backends::attach(plan, form)).map(drop)
}

fn with_plan<T: Tool, R>(tool: &T, use_plan: impl FnOnce(&Plan<'_>) -> R) -> R {
    let filter = tool.common().filter(tool.ports());
    use_plan(&Plan {
        object: T::OBJECT,
        loads: &|form, section| tool.loads(form, section),
        configure: &|form, object| {
            filter.configure(object, form.needs_btf())?;
            maps::set_size(object, "events", tool.common().buffer_size)?;
            tool.configure(form, object)
        },
        fill: &|object| filter.fill(object),
    })
}

fn attach_best<T: Tool>(tool: &T) -> anyhow::Result<Attached> {
    with_plan(tool, |plan| {
        let wanted = tool.common().backend;
        let choice = choose(wanted, |form| backends::attach(plan, form));
        if tool.common().verbose > 0 {
            for (form, refusal) in &choice.refused {
                eprintln!("{}: {form} refused: {refusal}", T::NAME);
            }
            if let Some(attached) = &choice.chosen {
                eprintln!("{}: backend: {}", T::NAME, attached.form);
            }
        }
        choice.chosen.ok_or_else(|| match wanted {
            None => no_backend(&choice.refused),
            Some(backend) => {
                let working = choose(None, |form| backends::attach(plan, form).map(|attached| attached.form));
                not_here(backend, &choice.refused, working.chosen)
            }
        })
    })
}

/// The refusals that say something of this machine; all, where the tool has no programs to try.
fn tried(refused: &[(Form, Refusal)]) -> Vec<&(Form, Refusal)> {
    let tried: Vec<_> = refused.iter().filter(|(_, refusal)| !refusal.no_programs).collect();
    if tried.is_empty() { refused.iter().collect() } else { tried }
}

/// No backend works: one reason if all have the same, else each with its own.
fn no_backend(refused: &[(Form, Refusal)]) -> anyhow::Error {
    let refused = tried(refused);
    match &refused[..] {
        [(_, first), rest @ ..] if rest.iter().all(|(_, other)| other == first) => anyhow!("{first}"),
        _ => {
            let reasons: Vec<String> =
                refused.iter().map(|(form, refusal)| format!("{form}: {}", refusal.cause)).collect();
            anyhow!("no backend works here: {}; see bpftools check", reasons.join(", "))
        }
    }
}

/// The backend that the user insisted on does not work; `working` does.
fn not_here(backend: Backend, refused: &[(Form, Refusal)], working: Option<Form>) -> anyhow::Error {
    let Some((_, refusal)) = tried(refused).pop() else {
        return anyhow!("backend {backend} has no form");
    };
    match working {
        None if refusal.untested => anyhow!("{refusal}"),
        None => anyhow!("backend {backend} does not work here: {refusal}"),
        Some(form) => {
            anyhow!("backend {backend} does not work here: {}; --backend {} does", refusal.cause, form.backend())
        }
    }
}

/// Why tracing ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// SIGINT or SIGTERM.
    Signal,
    /// `--duration` or `--max-events`.
    Limit,
    /// Nobody reads stdout any more.
    Closed,
}

struct Session<'a, T: Tool> {
    tool: &'a T,
    signals: Signals,
    printer: Printer<'a, T>,
    reported: Losses,
    report_again: Instant,
    deadline: Option<Instant>,
}

impl<T: Tool> Session<'_, T> {
    /// Prints rows until something ends the run.
    fn trace(&mut self, ring: &Ring, attached: &Attached) -> anyhow::Result<End> {
        let mut napping = false;
        let mut since_nap = 0;
        loop {
            match self.flush()? {
                Written::All => {}
                Written::Closed => return Ok(End::Closed),
                Written::Interrupted => return Ok(End::Signal),
            }
            if self.printer.limit_reached() {
                return Ok(End::Limit);
            }
            if let Some(end) = self.wait((!napping).then_some(ring))? {
                return Ok(end);
            }
            let drained = self.printer.drain(ring)?;
            since_nap += drained.bytes;
            // No nap while the ring fills faster than it is emptied.
            napping = drained.all && since_nap > 0 && since_nap < ring.size() / 2;
            if drained.all {
                since_nap = 0;
            }
            self.report_losses(attached)?;
        }
    }

    fn flush(&mut self) -> anyhow::Result<Written> {
        let stop = self.signals.as_fd();
        self.printer.sink.flush(Some(stop), PollTimeout::NONE).context("cannot write to stdout")
    }

    /// Waits for events in `ring`, or, without it, for a nap's time; and for whatever ends the run.
    fn wait(&self, ring: Option<&Ring>) -> anyhow::Result<Option<End>> {
        let now = Instant::now();
        let until_deadline = self.deadline.map(|deadline| deadline.saturating_duration_since(now));
        let nap = ring.is_none().then_some(NAP);
        let timeout = [until_deadline, nap].into_iter().flatten().min().map_or(PollTimeout::NONE, whole_milliseconds);
        let mut fds = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.printer.sink.as_fd(), PollFlags::empty()), // errors only: a reader that went away
        ];
        fds.extend(ring.map(|ring| PollFd::new(ring.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot wait for events"),
        }
        Ok(if fds[0].any().unwrap_or(false) {
            Some(End::Signal)
        } else if fds[1].any().unwrap_or(false) {
            Some(End::Closed)
        } else if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            Some(End::Limit)
        } else {
            None
        })
    }

    fn losses(&self, attached: &Attached) -> anyhow::Result<Losses> {
        let counted = maps::losses(&attached.object)?;
        Ok(Losses { missed: counted.missed + attached.skipped(), ..counted })
    }

    fn report_losses(&mut self, attached: &Attached) -> anyhow::Result<()> {
        let now = Instant::now();
        if now < self.report_again {
            return Ok(());
        }
        self.report_again = now + LOSS_INTERVAL;
        let losses = self.losses(attached)?;
        if losses.total() > self.reported.total() {
            self.reported = losses;
            tell_losses::<T>(&losses, "so far");
            self.printer.losses(&losses, None);
        }
        Ok(())
    }

    /// The programs are detached: prints what is left and says what was lost.
    fn finish(mut self, ring: &Ring, attached: &Attached, end: End) -> anyhow::Result<()> {
        if end == End::Signal {
            self.signals.first_taken().context("cannot take the signal")?;
        }
        let leftovers = self.tool.leftovers(attached.form, &attached.object)?;
        let is_read = end != End::Closed;
        while is_read && !self.printer.limit_reached() && !self.printer.drain(ring)?.all {}
        for row in &leftovers.rows {
            if is_read && !self.printer.limit_reached() {
                self.printer.row(row);
            }
        }
        let mut hidden = leftovers.pending;
        if is_read && !self.printer.limit_reached() {
            leftovers.pending_rows.iter().for_each(|row| self.printer.pending_row(row));
            hidden -= leftovers.pending_rows.len() as u64;
        }
        if hidden > 0 {
            eprintln!("{}: {hidden} were still pending", T::NAME);
        }
        let mut losses = self.losses(attached)?;
        losses.missed += leftovers.missed;
        if losses.total() > 0 {
            tell_losses::<T>(&losses, "in all");
        }
        if end == End::Closed {
            return Ok(());
        }
        self.printer.losses(&losses, Some(leftovers.pending));
        match self.printer.sink.flush(None, LAST_FLUSH.into()).context("cannot write to stdout")? {
            Written::All | Written::Closed => {}
            Written::Interrupted => {
                let lines = self.printer.sink.buffer.iter().filter(|&&byte| byte == b'\n').count();
                eprintln!("{}: {lines} lines were not written: stdout is not being read", T::NAME);
            }
        }
        Ok(())
    }
}

fn tell_losses<T: Tool>(losses: &Losses, when: &str) {
    let Losses { ring, map, missed } = losses;
    eprintln!(
        "{}: {} events lost {when} (ring buffer full: {ring}, map full: {map}, missed by the kernel: {missed}); \
         a larger --buffer-size or a narrower filter helps",
        T::NAME,
        losses.total()
    );
}

/// Rounded up, so that a wait never ends just before its deadline, again and again.
fn whole_milliseconds(duration: Duration) -> PollTimeout {
    let milliseconds = duration.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}
