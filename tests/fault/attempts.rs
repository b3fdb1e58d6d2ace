//! Processes that make attempts, all at once, when they are told to.

use std::env;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::process::ChildStdout;
use std::process::Command;
use std::process::ExitCode;
use std::process::Stdio;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use nix::sched::CpuSet;
use nix::sched::sched_setaffinity;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::Backlog;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockType;
use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::bind;
use nix::sys::socket::connect;
use nix::sys::socket::listen;
use nix::sys::socket::socket;
use nix::unistd::Pid;

use crate::load::ACCEPTED;
use crate::load::Load;
use crate::load::REFUSED;

/// The program's first argument, where it is such a process.
pub const ARGUMENT: &str = "make-attempts";

/// What becomes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Refused,
    Accepted,
    /// They get no answer, and are given up, this many at a time.
    Silent,
}

impl Fate {
    const ALL: [(&str, Self); 3] = [("refused", Self::Refused), ("accepted", Self::Accepted), ("silent", Self::Silent)];

    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, fate)| *fate == self).expect("all are there").0
    }
}

/// How many attempts are under way at once where none gets an answer.
const AT_ONCE: u64 = 64;

/// A process that waits to make attempts to a port of its own; killed if it is dropped.
pub struct Attempts {
    child: Child,
    said: BufReader<ChildStdout>,
    port: u16,
}

impl Attempts {
    /// `number` attempts, from this CPU alone if one is named.
    pub fn prepare(fate: Fate, number: u64, cpu: Option<usize>) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args([ARGUMENT, fate.name(), &number.to_string()]).args(cpu.map(|cpu| cpu.to_string()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting a process")?;
        let said = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut attempts = Self { child, said, port: 0 };
        attempts.port = attempts.hear()? as u16;
        Ok(attempts)
    }

    pub fn port(&self) -> String {
        self.port.to_string()
    }

    pub fn begin(&mut self) -> Result<()> {
        self.child.stdin.as_mut().context("it has been ended")?.write_all(b"\n").context("beginning the attempts")
    }

    /// Ends them soon, if they have not come to their end.
    pub fn cut_short(&mut self) {
        self.child.stdin = None;
    }

    /// Waits for the end, and returns how many were made.
    pub fn made(&mut self) -> Result<u64> {
        let made = self.hear()?;
        ensure!(self.child.wait()?.success(), "a process that made attempts failed");
        Ok(made)
    }

    fn hear(&mut self) -> Result<u64> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        line.trim().parse().context("a process that makes attempts ended too early")
    }
}

impl Drop for Attempts {
    fn drop(&mut self) {
        // It is a child not yet waited for, or these do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `FATE NUMBER [CPU]`: says its port, waits for a line, makes the attempts, says how many it made. It stops
/// before that when its standard input ends.
pub fn make(arguments: &[String]) -> ExitCode {
    match try_make(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("making attempts: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn try_make(arguments: &[String]) -> Result<()> {
    let [fate, number, cpu @ ..] = arguments else { anyhow::bail!("FATE NUMBER [CPU]") };
    let number = number.parse::<u64>()?;
    if let [cpu] = cpu {
        let mut cpus = CpuSet::new();
        cpus.set(cpu.parse()?)?;
        sched_setaffinity(Pid::from_raw(0), &cpus)?;
    }
    let (_, fate) = Fate::ALL.into_iter().find(|(name, _)| name == fate).context("no such fate")?;
    let maker = Maker::new(fate)?;
    let stdin = io::stdin();
    println!("{}", maker.port());
    stdin.lock().read_line(&mut String::new())?;
    let mut made = 0;
    while made < number && !ended(stdin.as_fd())? {
        let batch = (number - made).min(maker.batch());
        maker.make(batch)?;
        made += batch;
    }
    println!("{made}");
    Ok(())
}

fn ended(stdin: std::os::fd::BorrowedFd<'_>) -> nix::Result<bool> {
    poll(&mut [PollFd::new(stdin, PollFlags::POLLIN)], PollTimeout::ZERO).map(|ready| ready > 0)
}

enum Maker {
    Answered(Load),
    Silent(Silent),
}

impl Maker {
    fn new(fate: Fate) -> io::Result<Self> {
        Ok(match fate {
            Fate::Refused => Self::Answered(Load::new(REFUSED[0])?),
            Fate::Accepted => Self::Answered(Load::new(ACCEPTED[0])?),
            Fate::Silent => Self::Silent(Silent::new()?),
        })
    }

    fn port(&self) -> u16 {
        match self {
            Self::Answered(load) => load.port(),
            Self::Silent(silent) => silent.address.port(),
        }
    }

    fn batch(&self) -> u64 {
        match self {
            Self::Answered(_) => 1000,
            Self::Silent(_) => AT_ONCE,
        }
    }

    fn make(&self, attempts: u64) -> io::Result<()> {
        match self {
            Self::Answered(load) => load.run(attempts).map(drop),
            Self::Silent(silent) => silent.make(attempts),
        }
    }
}

/// A socket that listens, and whose queue is full: the kernel drops each further SYN.
struct Silent {
    address: SocketAddr,
    _listener: TcpListener,
    _queue: [TcpStream; 2],
}

impl Silent {
    fn new() -> io::Result<Self> {
        let listener = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        bind(listener.as_raw_fd(), &SockaddrStorage::from(SocketAddr::from(([127, 0, 0, 1], 0))))?;
        listen(&listener, Backlog::new(1)?)?;
        let listener = TcpListener::from(listener);
        let address = listener.local_addr()?;
        let queue = [TcpStream::connect(address)?, TcpStream::connect(address)?];
        Ok(Self { address, _listener: listener, _queue: queue })
    }

    fn make(&self, attempts: u64) -> io::Result<()> {
        (0..attempts).map(|_| self.begin()).collect::<io::Result<Vec<_>>>().map(drop)
    }

    fn begin(&self) -> io::Result<OwnedFd> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
        match connect(socket.as_raw_fd(), &SockaddrStorage::from(self.address)) {
            Err(Errno::EINPROGRESS) => Ok(socket),
            other => Err(io::Error::other(format!("an attempt that is to get no answer: {other:?}"))),
        }
    }
}
