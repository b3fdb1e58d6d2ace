//! The work that is traced: connects on loopback, or segments of a connection, one after another, by one thread.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;
use std::time::Instant;

use nix::libc;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::Backlog;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockType;
use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::bind;
use nix::sys::socket::listen;
use nix::sys::socket::setsockopt;
use nix::sys::socket::socket;
use nix::sys::socket::sockopt::Linger;

/// What becomes of a connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Refused,
    Accepted,
    /// One connection, made beforehand: what is counted is a byte that crosses it, a segment that acknowledges the one
    /// before.
    Segment,
}

/// One kind of connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub answer: Answer,
    pub ip: IpAddr,
}

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

pub const REFUSED: [Kind; 2] = [Kind { answer: Answer::Refused, ip: V4 }, Kind { answer: Answer::Refused, ip: V6 }];
pub const ACCEPTED: [Kind; 2] = [Kind { answer: Answer::Accepted, ip: V4 }, Kind { answer: Answer::Accepted, ip: V6 }];

pub const SEGMENTS: [Kind; 2] = [Kind { answer: Answer::Segment, ip: V4 }, Kind { answer: Answer::Segment, ip: V6 }];

impl fmt::Display for Kind {
    /// `refused/ipv4`, say.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = match self.answer {
            Answer::Refused => "refused",
            Answer::Accepted => "accepted",
            Answer::Segment => "segment",
        };
        f.pad(&format!("{answer}/{}", if self.ip.is_ipv4() { "ipv4" } else { "ipv6" }))
    }
}

/// Connects of one kind, to a port of their own.
pub struct Load {
    kind: Kind,
    /// Holds the port also where nothing listens on it, so that nobody else answers there.
    held: TcpListener,
    address: SocketAddr,
    /// The two ends of the connection, the one that sends next first.
    ends: Cell<Option<(TcpStream, TcpStream)>>,
}

impl Load {
    /// # Errors
    /// There is no such loopback address here (IPv6 can be switched off).
    pub fn new(kind: Kind) -> io::Result<Self> {
        let family = if kind.ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let held = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        bind(held.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(kind.ip, 0)))?;
        if kind.answer != Answer::Refused {
            listen(&held, Backlog::MAXCONN)?;
        }
        let held = TcpListener::from(held);
        let address = held.local_addr()?;
        let ends = Cell::new(None);
        if kind.answer == Answer::Segment {
            ends.set(Some((TcpStream::connect(address)?, held.accept()?.0)));
        }
        Ok(Self { kind, held, address, ends })
    }

    #[must_use]
    #[allow(dead_code)] // the benchmark does not ask
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// One attempt: socket(2), connect(2), accept(2) where it is accepted, close(2). Or one segment: send(2), recv(2).
    ///
    /// # Errors
    /// It ended in another way than it should.
    pub fn connect(&self) -> io::Result<()> {
        if let Some((mut from, mut to)) = self.ends.take() {
            from.write_all(&[1])?;
            to.read_exact(&mut [0])?;
            self.ends.set(Some((to, from)));
            return Ok(());
        }
        match (TcpStream::connect(self.address), self.kind.answer) {
            (Ok(stream), Answer::Accepted) => {
                self.held.accept()?;
                // Closed by a reset: TIME_WAIT would use up the local ports within a second.
                setsockopt(&stream, Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
                Ok(())
            }
            (Err(error), Answer::Refused) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            (result, _) => Err(result.err().unwrap_or_else(|| ErrorKind::AddrInUse.into())),
        }
    }

    /// `attempts` at full speed. Returns how long they took.
    ///
    /// # Errors
    /// One ended in another way than it should.
    pub fn run(&self, attempts: u64) -> io::Result<Duration> {
        let start = Instant::now();
        for _ in 0..attempts {
            self.connect()?;
        }
        Ok(start.elapsed())
    }

    /// `attempts` in bursts a millisecond apart, `rate` a second. Returns how long the bursts took.
    ///
    /// # Errors
    /// One ended in another way than it should.
    pub fn run_paced(&self, attempts: u64, rate: u32) -> io::Result<Duration> {
        const TICK: Duration = Duration::from_millis(1);
        let burst = u64::from(rate / 1000).max(1);
        let mut due = Instant::now();
        let mut busy = Duration::ZERO;
        let mut left = attempts;
        while left > 0 {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            due += TICK;
            busy += self.run(burst.min(left))?;
            left -= burst.min(left);
        }
        Ok(busy)
    }
}
