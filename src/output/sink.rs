//! Where lines go: a file descriptor, written whole lines at a time, and never for longer than the
//! caller waits.

use std::io;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::time::Duration;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::FcntlArg;
use nix::fcntl::OFlag;
use nix::fcntl::fcntl;
use nix::fcntl::open;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::send;
use nix::sys::stat::Mode;
use nix::sys::stat::SFlag;
use nix::sys::stat::fstat;

use super::alarm::Alarm;

/// What a pipe takes in one piece, beside whatever other writers it has (PIPE_BUF on Linux).
const PIPE_BUF: usize = 4096;

/// How long to wait where poll(2) says that there is room, but not enough for what comes next: on a
/// terminal with room for one byte, a newline has none.
const TOO_LITTLE_ROOM: Duration = Duration::from_millis(10);

/// What became of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    All,
    /// Nobody reads any more.
    Closed,
    /// The stop descriptor became readable, or the deadline passed. The rest is still in the buffer.
    Interrupted,
    /// It cannot be written now, on a full disk say. What was in the buffer is dropped and counted.
    Failed(Errno),
}

/// What ends the wait for a slow reader.
#[derive(Debug, Clone, Copy, Default)]
pub struct Until<'a> {
    /// A descriptor that becomes readable.
    pub stop: Option<BorrowedFd<'a>>,
    /// What can be written without waiting is written even then.
    pub deadline: Option<Instant>,
}

/// How a write is kept from blocking.
enum Way {
    /// A terminal or a pipe, reopened: the flag is then ours alone, not that of a shell or another
    /// writer that shares the descriptor.
    Reopened,
    /// Each call says that it shall not block.
    Socket,
    /// A terminal or a pipe that may not be reopened (another user's, or there is no /proc). A pipe
    /// with a second writer, and any terminal, can block although poll(2) promised room.
    Interrupted(Alarm),
    /// It takes as long as its file system takes.
    File,
}

/// A buffer in front of a file descriptor.
pub struct Sink {
    fd: OwnedFd,
    way: Way,
    /// What to write next, whole lines; formats append to it.
    pub buffer: Vec<u8>,
    /// The buffer begins with the rest of a line, whose beginning is written already.
    torn: bool,
    /// Lines that were dropped because they could not be written.
    dropped: u64,
}

impl Sink {
    /// # Errors
    /// `fd` is not open.
    pub fn new(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let (fd, way) = match file_type(fd)? {
            SFlag::S_IFSOCK => (fd.try_clone_to_owned()?, Way::Socket),
            SFlag::S_IFIFO | SFlag::S_IFCHR => match reopen(fd) {
                Ok(own) => (own, Way::Reopened),
                Err(_) => (fd.try_clone_to_owned()?, Way::Interrupted(Alarm::new()?)),
            },
            _ => (fd.try_clone_to_owned()?, Way::File),
        };
        Ok(Self { fd, way, buffer: Vec::with_capacity(64 * 1024), torn: false, dropped: 0 })
    }

    /// Writes the buffer out and empties it, waiting for a slow reader.
    ///
    /// # Errors
    /// The descriptor cannot be waited for, which is a fault of bpftools.
    pub fn flush(&mut self, until: Until<'_>) -> io::Result<Written> {
        let mut done = 0;
        let mut room = true;
        let result = loop {
            if done == self.buffer.len() {
                break Written::All;
            }
            match self.wait(until, room)? {
                Some(end) => break end,
                None => room = true,
            }
            let piece = self.piece(done);
            match write(&mut self.way, &self.fd, &self.buffer[done..done + piece]) {
                // Some devices take nothing without an error.
                Ok(0) | Err(Errno::EAGAIN) => room = false,
                Ok(written) => {
                    done += written;
                    self.torn = self.buffer[done - 1] != b'\n';
                }
                Err(Errno::EPIPE | Errno::ECONNRESET) => break Written::Closed,
                Err(Errno::EINTR) => {}
                Err(error) => {
                    self.buffer.drain(..done);
                    self.drop_lines();
                    return Ok(Written::Failed(error));
                }
            }
        };
        self.buffer.drain(..done);
        Ok(result)
    }

    /// Lines that have not been written in full: those that were dropped, and those in the buffer.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        self.dropped + count_lines(&self.buffer)
    }

    /// Lines that were dropped because they could not be written.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many bytes to hand to one write(2): up to a line's end, and to all but files no more than a
    /// pipe takes in one piece, unless one line alone is longer.
    fn piece(&self, from: usize) -> usize {
        let rest = &self.buffer[from..];
        if matches!(self.way, Way::File) || rest.len() <= PIPE_BUF {
            return rest.len();
        }
        let last = rest[..PIPE_BUF].iter().rposition(|&byte| byte == b'\n');
        let end = last.or_else(|| rest.iter().position(|&byte| byte == b'\n'));
        end.map_or(rest.len(), |end| end + 1)
    }

    /// Waits until a write will not block, or, without `room`, a moment; `Some` where nothing shall be
    /// written any more.
    fn wait(&self, until: Until<'_>, room: bool) -> io::Result<Option<Written>> {
        let interest = if room { PollFlags::POLLOUT } else { PollFlags::empty() };
        let mut fds = vec![PollFd::new(self.fd.as_fd(), interest)];
        fds.extend(until.stop.map(|stop| PollFd::new(stop, PollFlags::POLLIN)));
        loop {
            // Nothing left: what is ready is written all the same.
            let left = until.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let nap = (!room).then_some(TOO_LITTLE_ROOM);
            let timeout = [left, nap].into_iter().flatten().min().map_or(PollTimeout::NONE, whole_milliseconds);
            match poll(&mut fds, timeout) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let events = fds[0].revents().unwrap_or(PollFlags::empty());
            if events.intersects(GONE) {
                return Ok(Some(Written::Closed));
            }
            if fds.get(1).is_some_and(|stop| stop.any().unwrap_or(true)) {
                return Ok(Some(Written::Interrupted));
            }
            if events.contains(PollFlags::POLLOUT) {
                return Ok(None);
            }
            if left == Some(Duration::ZERO) {
                return Ok(Some(Written::Interrupted));
            }
            if !room {
                return Ok(None);
            }
        }
    }

    /// Gives up the lines in the buffer, and counts them. The rest of one that is torn stays: should there
    /// be room again, it is to end before another begins.
    pub fn drop_lines(&mut self) {
        let line_end = self.buffer.iter().position(|&byte| byte == b'\n');
        let keep = if self.torn { line_end.map_or(0, |end| end + 1) } else { 0 };
        self.dropped += count_lines(&self.buffer[keep..]);
        self.buffer.truncate(keep);
    }
}

fn write(way: &mut Way, fd: &OwnedFd, bytes: &[u8]) -> nix::Result<usize> {
    match way {
        Way::Reopened | Way::File => nix::unistd::write(fd, bytes),
        Way::Socket => send(fd.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL),
        Way::Interrupted(alarm) => alarm.during(|| nix::unistd::write(fd, bytes)),
    }
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What poll(2) says, asked or not, of a descriptor whose other end is gone.
pub const GONE: PollFlags = PollFlags::POLLERR.union(PollFlags::POLLHUP).union(PollFlags::POLLNVAL);

/// Rounded up, so that a wait never ends just before its deadline, again and again.
#[must_use]
pub fn whole_milliseconds(duration: Duration) -> PollTimeout {
    let milliseconds = duration.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

fn file_type(fd: BorrowedFd<'_>) -> nix::Result<SFlag> {
    Ok(SFlag::from_bits_truncate(fstat(fd)?.st_mode) & SFlag::S_IFMT)
}

/// The same file, opened once more: nothing but what `fd` itself allows, and without blocking.
fn reopen(fd: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    /// Opening this device makes a new terminal.
    const PTMX: u64 = nix::sys::stat::makedev(5, 2);
    let access = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?) & OFlag::O_ACCMODE;
    if access == OFlag::O_RDONLY || fstat(fd)?.st_rdev == PTMX {
        return Err(Errno::EBADF);
    }
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    open(format!("/proc/self/fd/{}", fd.as_raw_fd()).as_str(), flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    fn pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
        std::io::pipe().unwrap()
    }

    fn soon<'a>() -> Until<'a> {
        Until { stop: None, deadline: Some(Instant::now() + Duration::from_millis(20)) }
    }

    /// A pipe that takes only what is free, although poll(2) says so of it.
    fn interrupted(writer: &std::io::PipeWriter) -> Sink {
        let fd = writer.as_fd().try_clone_to_owned().unwrap();
        let way = Way::Interrupted(Alarm::new().unwrap());
        Sink { fd, way, buffer: Vec::new(), torn: false, dropped: 0 }
    }

    fn lines(number: usize) -> Vec<u8> {
        (0..number).flat_map(|line| format!("a line of some length, number {line}\n").into_bytes()).collect()
    }

    #[test]
    fn writes_all_and_notices_a_closed_reader() {
        let (mut reader, writer) = pipe();
        let mut sink = Sink::new(writer.as_fd()).unwrap();
        drop(writer);
        sink.buffer.extend_from_slice(b"row\n");
        assert_eq!(sink.flush(Until::default()).unwrap(), Written::All);
        assert!(sink.buffer.is_empty());
        let mut read = [0; 4];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"row\n");

        drop(reader);
        sink.buffer.extend_from_slice(b"row\n");
        assert_eq!(sink.flush(Until::default()).unwrap(), Written::Closed);
    }

    #[test]
    fn a_stalled_pipe_has_whole_lines_and_nothing_is_forgotten() {
        for open in [|writer: &std::io::PipeWriter| Sink::new(writer.as_fd()).unwrap(), interrupted] {
            let (mut reader, writer) = pipe();
            let mut sink = open(&writer);
            sink.buffer = lines(20_000);
            let all = sink.buffer.clone();
            assert_eq!(sink.flush(soon()).unwrap(), Written::Interrupted);
            let (written, rest) = all.split_at(all.len() - sink.buffer.len());
            assert!(written.ends_with(b"\n") && !rest.is_empty());
            assert_eq!(rest, sink.buffer);
            assert_eq!(sink.unwritten(), count_lines(rest));
            drop((sink, writer));
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            assert_eq!(read, written);
        }
    }

    #[test]
    fn a_readable_descriptor_ends_the_wait() {
        let (_reader, writer) = pipe();
        let (stop, stopper) = pipe();
        nix::unistd::write(&stopper, b"x").unwrap();
        let mut sink = Sink::new(writer.as_fd()).unwrap();
        sink.buffer = lines(20_000);
        let until = Until { stop: Some(stop.as_fd()), deadline: None };
        assert_eq!(sink.flush(until).unwrap(), Written::Interrupted);
    }

    /// Each promises poll(2) room for one of them only.
    #[test]
    fn two_writers_of_one_pipe_tear_nothing_and_block_nowhere() {
        for open in [|writer: &std::io::PipeWriter| Sink::new(writer.as_fd()).unwrap(), interrupted] {
            let (reader, writer) = pipe();
            let writers: Vec<_> = (0..2)
                .map(|_| {
                    let mut sink = open(&writer);
                    std::thread::spawn(move || {
                        sink.buffer = lines(20_000);
                        sink.flush(Until::default()).unwrap()
                    })
                })
                .collect();
            drop(writer);
            let read = std::io::read_to_string(reader).unwrap();
            assert!(writers.into_iter().all(|writer| writer.join().unwrap() == Written::All));
            let mut read: Vec<_> = read.lines().collect();
            let mut wrote: Vec<_> = [lines(20_000), lines(20_000)].concat();
            read.sort_unstable();
            let wrote_text = String::from_utf8(std::mem::take(&mut wrote)).unwrap();
            let mut wrote: Vec<_> = wrote_text.lines().collect();
            wrote.sort_unstable();
            assert!(read == wrote);
        }
    }

    #[test]
    fn a_long_line_goes_out_in_one_piece() {
        let (mut reader, writer) = pipe();
        let mut sink = Sink::new(writer.as_fd()).unwrap();
        drop(writer);
        sink.buffer = [&[b'.'; 2 * PIPE_BUF][..], b"\nshort\n"].concat();
        assert_eq!(sink.piece(0), 2 * PIPE_BUF + 1);
        let wrote = sink.buffer.clone();
        assert_eq!(sink.flush(Until::default()).unwrap(), Written::All);
        drop(sink);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, wrote);
    }

    #[test]
    fn a_socket_that_nobody_reads_does_not_block() {
        let (_reader, writer) = UnixStream::pair().unwrap();
        let mut sink = Sink::new(writer.as_fd()).unwrap();
        sink.buffer = lines(100_000);
        assert_eq!(sink.flush(soon()).unwrap(), Written::Interrupted);
        assert!(sink.unwritten() > 0);
    }

    #[test]
    fn a_terminal_that_nobody_reads_does_not_block() {
        let terminal = nix::pty::openpty(None, None).unwrap();
        let mut sink = Sink::new(terminal.slave.as_fd()).unwrap();
        sink.buffer = lines(20_000);
        assert_eq!(sink.flush(soon()).unwrap(), Written::Interrupted);
        drop(terminal.master);
        assert_eq!(sink.flush(soon()).unwrap(), Written::Closed);
    }

    #[test]
    fn a_full_disk_drops_lines_and_counts_them() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut sink = Sink::new(full.as_fd()).unwrap();
        sink.buffer = lines(3);
        assert_eq!(sink.flush(Until::default()).unwrap(), Written::Failed(Errno::ENOSPC));
        assert!(sink.buffer.is_empty());
        sink.buffer = lines(4);
        assert_eq!(sink.flush(Until::default()).unwrap(), Written::Failed(Errno::ENOSPC));
        assert_eq!(sink.unwritten(), 7);
    }

    #[test]
    fn the_rest_of_a_torn_line_comes_first() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut sink = Sink::new(full.as_fd()).unwrap();
        sink.torn = true;
        sink.buffer = b"rest\nrow\nrow\n".to_vec();
        assert_eq!(sink.flush(Until::default()).unwrap(), Written::Failed(Errno::ENOSPC));
        assert_eq!(sink.buffer, b"rest\n");
        assert_eq!(sink.unwritten(), 3);
    }
}
