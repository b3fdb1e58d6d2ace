//! What a run waits for: each thing by its token, never by its place in a list.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;

use crate::output::whole_milliseconds;

/// What can wake a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A signal that ends it.
    Signals,
    /// `--duration` is over.
    Deadline,
    /// Nobody reads stdout any more.
    Stdout,
    /// One of its sources has records, or its nap is over.
    Source(usize),
    /// The time to print.
    Tick,
    /// The time to look for losses.
    Report,
}

enum Cause {
    /// The place of its descriptor.
    Readable(usize),
    Time(Instant),
}

/// A list of what to wait for.
#[derive(Default)]
pub struct Wait<'fd> {
    causes: Vec<(Token, Cause)>,
    fds: Vec<PollFd<'fd>>,
}

impl<'fd> Wait<'fd> {
    /// Until the descriptor is readable.
    pub fn readable(&mut self, token: Token, fd: BorrowedFd<'fd>) {
        self.poll(token, fd, PollFlags::POLLIN);
    }

    /// Until the other side of the descriptor is gone.
    pub fn gone(&mut self, token: Token, fd: BorrowedFd<'fd>) {
        self.poll(token, fd, PollFlags::empty());
    }

    /// Until a point in time, if there is one.
    pub fn until(&mut self, token: Token, time: Option<Instant>) {
        self.causes.extend(time.map(|time| (token, Cause::Time(time))));
    }

    fn poll(&mut self, token: Token, fd: BorrowedFd<'fd>, events: PollFlags) {
        self.causes.push((token, Cause::Readable(self.fds.len())));
        self.fds.push(PollFd::new(fd, events));
    }

    /// Waits, and returns what has come, in the order in which it was asked for: nothing if a signal handler ran.
    ///
    /// # Errors
    /// The descriptors cannot be waited for, which is a fault of bpftools.
    pub fn wait(mut self) -> io::Result<Vec<Token>> {
        let times = self.causes.iter().filter_map(|(_, cause)| match cause {
            Cause::Time(time) => Some(*time),
            Cause::Readable(_) => None,
        });
        let timeout = times.min().map_or(PollTimeout::NONE, |time| {
            whole_milliseconds(time.saturating_duration_since(Instant::now())) //
        });
        match poll(&mut self.fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let now = Instant::now();
        let has_come = |cause: &Cause| match *cause {
            Cause::Readable(at) => self.fds[at].any().unwrap_or(false),
            Cause::Time(time) => time <= now,
        };
        Ok(self.causes.iter().filter(|(_, cause)| has_come(cause)).map(|&(token, _)| token).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::io::pipe;
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::*;

    #[test]
    fn tokens_come_in_the_order_in_which_they_were_asked_for() {
        let (reader, mut writer) = pipe().unwrap();
        let (past, future) = (Instant::now(), Instant::now() + Duration::from_secs(3600));
        writer.write_all(b"x").unwrap();
        let mut wait = Wait::default();
        wait.until(Token::Deadline, Some(future));
        wait.readable(Token::Source(1), reader.as_fd());
        wait.until(Token::Source(2), None);
        wait.until(Token::Tick, Some(past));
        assert_eq!(wait.wait().unwrap(), [Token::Source(1), Token::Tick]);
    }

    #[test]
    fn the_other_side_of_a_pipe_goes_away() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut wait = Wait::default();
        wait.gone(Token::Stdout, writer.as_fd());
        assert_eq!(wait.wait().unwrap(), [Token::Stdout]);
    }
}
