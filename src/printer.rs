//! From records to written rows.

use anyhow::bail;

use crate::clock;
use crate::event;
use crate::output::End;
use crate::output::Format;
use crate::output::Json;
use crate::output::Losses;
use crate::output::Sink;
use crate::output::Text;
use crate::ring::Read;
use crate::ring::Ring;
use crate::ring::Stopped;
use crate::tools::Tool;

/// Records to take from the ring before their rows are written, which bounds the memory for them.
const BATCH: usize = 512;

/// Formats rows into a sink and counts them.
pub struct Printer<T: Tool> {
    pub sink: Sink,
    format: Box<dyn Format<T::Event>>,
    wall_offset: i64,
    rows: u64,
    limit: u64,
}

impl<T: Tool> Printer<T> {
    /// A printer in the format that the options ask for.
    pub fn new(tool: &T, sink: Sink) -> Self {
        let common = tool.common();
        let format: Box<dyn Format<T::Event>> = if common.json {
            Box::new(Json::new(T::NAME, tool.fields()))
        } else {
            Box::new(Text::new(tool.columns(), !common.no_header, common.time, common.timestamp))
        };
        Self {
            sink,
            format,
            wall_offset: clock::wall_offset(),
            rows: 0,
            limit: common.max_events.map_or(u64::MAX, Into::into),
        }
    }

    /// The table's header, if there shall be one.
    pub fn header(&mut self) {
        self.format.header(&mut self.sink.buffer);
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
        self.wall_offset = clock::wall_offset();
        let mut alien = None;
        let read = ring.read(BATCH, |record| {
            match event::view(record) {
                Some(event) => self.row(event),
                None => alien = Some(record.len()),
            }
            alien.is_none() && !self.limit_reached()
        });
        if let Some(len) = alien {
            bail!("a record of {len} bytes is no event of this tool; report this as a fault");
        }
        if read.stopped == Stopped::Damaged {
            bail!("the ring buffer holds a record that reaches beyond its end; report this as a fault");
        }
        Ok(read)
    }

    /// Formats a row.
    pub fn row(&mut self, event: &T::Event) {
        self.pending_row(event);
        self.rows += 1;
    }

    /// Formats a row of what was still under way at the end, which does not count as a row.
    pub fn pending_row(&mut self, event: &T::Event) {
        self.format.row(event, event::head(event).ts, self.wall_offset, &mut self.sink.buffer);
    }

    /// What the format says of losses so far.
    pub fn losses(&mut self, losses: &Losses) {
        self.format.losses(losses, None, clock::wall_now(), &mut self.sink.buffer);
    }

    /// What it says at the end.
    pub fn end(&mut self, losses: &Losses, pending: Option<u64>) {
        let end = End { rows: self.rows, pending };
        self.format.losses(losses, Some(end), clock::wall_now(), &mut self.sink.buffer);
    }
}
