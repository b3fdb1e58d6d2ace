//! A source of events: a ring buffer, and when to look into it.

use std::os::fd::AsFd;
use std::time::Duration;
use std::time::Instant;

use super::printer::Printer;
use super::wait::Token;
use super::wait::Wait;
use crate::kernel::ring::Ring;
use crate::kernel::ring::Stopped;

/// How long rows may gather in the ring while events keep coming. The kernel wakes a reader that has caught
/// up, and no other. A reader that naps before it looks again has not caught up, so the kernel wakes it for the first event
/// after a pause, not for each one, which would cost more than all the rest. For this, programs submit
/// records without flags (bpf/), [`Ring::read`] tells its position once a batch, and nothing polls the ring during a nap.
///
/// The pages say 20 ms: to that comes the time to wake up and to write (docs/performance.md, Time).
const NAP: Duration = Duration::from_millis(19);

/// A ring that is read while the programs run.
pub struct Events {
    pub ring: Ring,
    is_napping: bool,
    bytes_since_nap: usize,
}

impl Events {
    #[must_use]
    pub fn new(ring: Ring) -> Self {
        Self { ring, is_napping: false, bytes_since_nap: 0 }
    }

    /// Waits until there are records, or until the nap is over.
    pub fn wait<'a>(&'a self, token: Token, wait: &mut Wait<'a>) {
        if self.is_napping {
            wait.until(token, Some(Instant::now() + NAP));
        } else {
            wait.readable(token, self.ring.as_fd());
        }
    }

    /// Prints a batch of what is there, and says whether to nap before the next one.
    ///
    /// # Errors
    /// The ring does not hold what it should, which is a fault of bpftools.
    pub fn read(&mut self, printer: &mut Printer) -> anyhow::Result<()> {
        let read = printer.drain(&self.ring)?;
        self.bytes_since_nap += read.bytes;
        self.is_napping = match read.stopped {
            // The ring stays readable, so waiting for it would be no wait.
            Stopped::Busy => true,
            // No nap while the ring fills faster than it is emptied.
            Stopped::Empty => self.bytes_since_nap > 0 && self.bytes_since_nap < self.ring.size() / 2,
            Stopped::Enough | Stopped::Damaged => false,
        };
        if read.stopped != Stopped::Enough {
            self.bytes_since_nap = 0;
        }
        Ok(())
    }
}
