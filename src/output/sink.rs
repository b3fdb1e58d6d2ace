//! Where the rows go: stdout, written a batch at a time and never blocking past a signal.

use std::io;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use nix::sys::stat::SFlag;
use nix::sys::stat::fstat;

/// POSIX lets a writable pipe take this much at once without blocking (PIPE_BUF on Linux).
const UNBLOCKING: usize = 4096;

/// What became of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    All,
    /// Nobody reads any more.
    Closed,
    /// The stop descriptor became readable, or the grace ran out, before everything was written.
    Interrupted,
}

/// A buffer in front of a file descriptor.
pub struct Sink<'fd> {
    fd: BorrowedFd<'fd>,
    /// What to write next; formats append to it.
    pub buffer: Vec<u8>,
    /// The most to hand to one write(2).
    chunk: usize,
}

impl<'fd> Sink<'fd> {
    /// # Errors
    /// `fd` is not open.
    pub fn new(fd: BorrowedFd<'fd>) -> io::Result<Self> {
        let kind = SFlag::from_bits_truncate(fstat(fd)?.st_mode) & SFlag::S_IFMT;
        Ok(Self {
            fd,
            buffer: Vec::with_capacity(64 * 1024),
            // A regular file does not make its writer wait for a reader.
            chunk: if kind == SFlag::S_IFREG { usize::MAX } else { UNBLOCKING },
        })
    }

    /// Writes the buffer out and empties it. Waits for a slow reader until `stop` is readable, or,
    /// without `stop`, for `grace` at each step. What was not written stays in the buffer.
    ///
    /// # Errors
    /// A write failed for another reason than a closed pipe.
    pub fn flush(&mut self, stop: Option<BorrowedFd<'_>>, grace: PollTimeout) -> io::Result<Written> {
        let mut done = 0;
        let result = loop {
            if done == self.buffer.len() {
                break Ok(Written::All);
            }
            match self.wait(stop, grace) {
                Ok(true) => {}
                Ok(false) => break Ok(Written::Interrupted),
                Err(error) => break Err(error),
            }
            let end = self.buffer.len().min(done.saturating_add(self.chunk));
            match nix::unistd::write(self.fd, &self.buffer[done..end]) {
                Ok(written) => done += written,
                Err(Errno::EPIPE) => break Ok(Written::Closed),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(error) => break Err(error.into()),
            }
        };
        self.buffer.drain(..done);
        result
    }

    /// Waits until a write will not block; false where it should not be tried any more.
    fn wait(&self, stop: Option<BorrowedFd<'_>>, grace: PollTimeout) -> io::Result<bool> {
        let mut fds = vec![PollFd::new(self.fd, PollFlags::POLLOUT)];
        let timeout = match stop {
            Some(stop) => {
                fds.push(PollFd::new(stop, PollFlags::POLLIN));
                PollTimeout::NONE
            }
            None => grace,
        };
        match poll(&mut fds, timeout) {
            Ok(0) => Ok(false),
            Ok(_) => Ok(fds[0].any().unwrap_or(true)),
            Err(Errno::EINTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Sink<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
        std::io::pipe().unwrap()
    }

    #[test]
    fn writes_all_and_notices_a_closed_reader() {
        let (mut reader, writer) = pipe();
        let (stop, _keep_open) = pipe();
        let mut sink = Sink::new(writer.as_fd()).unwrap();
        sink.buffer.extend_from_slice(b"row\n");
        assert_eq!(sink.flush(Some(stop.as_fd()), PollTimeout::NONE).unwrap(), Written::All);
        assert!(sink.buffer.is_empty());
        let mut read = [0; 4];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"row\n");

        drop(reader);
        sink.buffer.extend_from_slice(b"row\n");
        assert_eq!(sink.flush(Some(stop.as_fd()), PollTimeout::NONE).unwrap(), Written::Closed);
    }

    #[test]
    fn a_stop_ends_a_blocked_write_and_nothing_is_forgotten() {
        let (_reader, writer) = pipe();
        let (stop, stopper) = pipe();
        nix::unistd::write(&stopper, b"x").unwrap();
        let mut sink = Sink::new(writer.as_fd()).unwrap();
        sink.buffer = vec![b'.'; 1 << 20];
        assert_eq!(sink.flush(Some(stop.as_fd()), PollTimeout::NONE).unwrap(), Written::Interrupted);
        let written = (1 << 20) - sink.buffer.len();
        assert!(written > 0 && written < 1 << 20);
        assert_eq!(sink.flush(None, PollTimeout::ZERO).unwrap(), Written::Interrupted);
    }
}
