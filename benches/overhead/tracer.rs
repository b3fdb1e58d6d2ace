//! Tracers, ours and others': which there are, starting one, ending it.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use bpftools::backends::Backend;
use nix::sys::memfd::MFdFlags;
use nix::sys::memfd::memfd_create;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::load::ACCEPTED;
use crate::load::Kind;
use crate::load::REFUSED;
use crate::load::SEGMENTS;
use crate::process::Process;

/// A tool of ours, the connects that it is measured with, and who else has it.
pub struct Tool {
    pub name: &'static str,
    pub kinds: &'static [[Kind; 2]],
    /// Options with which it is counted besides.
    pub variants: &'static [&'static str],
    /// What it hooks, for programs that do nothing.
    pub hooks: &'static [&'static str],
    pub peers: &'static [Peer],
}

/// Another project's program of the same purpose, from a Debian package.
pub struct Peer {
    pub name: &'static str,
    /// Program and arguments; what begins with `/` is looked for in [`Tracer::peers`]'s folder.
    pub command: &'static [&'static str],
}

/// A tool more is an entry more.
pub const TOOLS: &[Tool] = &[
    Tool {
        name: "tcpconnect",
        kinds: &[REFUSED, ACCEPTED],
        variants: &["-c"],
        hooks: &[],
        peers: &[
            Peer { name: "libbpf-tools", command: &["/usr/sbin/tcpconnect"] },
            Peer { name: "bpftrace", command: &["/usr/bin/bpftrace", "/usr/sbin/tcpconnect.bt"] },
        ],
    },
    Tool {
        name: "tcpaccept",
        kinds: &[ACCEPTED],
        variants: &["-c"],
        hooks: &[],
        peers: &[Peer { name: "bpftrace", command: &["/usr/bin/bpftrace", "/usr/sbin/tcpaccept.bt"] }],
    },
    Tool {
        name: "tcplife",
        kinds: &[ACCEPTED],
        variants: &[],
        hooks: &[],
        peers: &[
            Peer { name: "libbpf-tools", command: &["/usr/sbin/tcplife"] },
            Peer { name: "bpftrace", command: &["/usr/bin/bpftrace", "/usr/sbin/tcplife.bt"] },
        ],
    },
    Tool {
        name: "tcprtt",
        kinds: &[SEGMENTS],
        variants: &["--by=raddr", "-P1"],
        hooks: &["fentry/tcp_rcv_established", "tp_btf/tcp_probe"],
        peers: &[Peer { name: "libbpf-tools", command: &["/usr/sbin/tcprtt"] }],
    },
];

/// Our `tool` in each backend that works here; why another does not is printed.
#[must_use]
pub fn working(tool: &Tool) -> Vec<Tracer> {
    let works = |tracer: &Tracer| match nowhere().and_then(|output| tracer.start(output)) {
        Ok(_) => true,
        Err(why) => {
            println!("overhead: skipped {} {why:#}", tool.name);
            false
        }
    };
    Backend::ALL.map(|backend| Tracer::ours(tool, backend)).into_iter().filter(works).collect()
}

/// Where rows go that nobody looks at.
///
/// # Errors
/// There is no /dev/null.
pub fn nowhere() -> Result<File> {
    File::options().write(true).open("/dev/null").context("/dev/null")
}

/// A command that traces.
#[derive(Debug, Clone)]
pub struct Tracer {
    pub name: String,
    command: Vec<OsString>,
}

impl Tracer {
    /// Our `tool` with one backend.
    #[must_use]
    pub fn ours(tool: &Tool, backend: Backend) -> Self {
        let program = env::var_os("BPFTOOLS").unwrap_or_else(|| env!("CARGO_BIN_EXE_bpftools").into());
        let arguments = [tool.name, "--backend", backend.name()].map(OsString::from);
        Self { name: backend.name().into(), command: [program].into_iter().chain(arguments).collect() }
    }

    /// The others that have `tool`, from where their packages are unpacked: $BPFTOOLS_PEERS.
    #[must_use]
    pub fn peers(tool: &Tool) -> Vec<Self> {
        let root = PathBuf::from(env::var_os("BPFTOOLS_PEERS").unwrap_or_default());
        let path = |word: &&str| word.strip_prefix('/').map_or_else(|| word.into(), |path| root.join(path).into());
        let tracer = |peer: &Peer| Self { name: peer.name.into(), command: peer.command.iter().map(path).collect() };
        tool.peers.iter().map(tracer).collect()
    }

    /// The same for a port that no load uses.
    #[must_use]
    pub fn filtered(&self) -> Self {
        let mut filtered = self.with("-P1");
        filtered.name = format!("{} -P 1", self.name);
        filtered
    }

    /// The same with one option more.
    #[must_use]
    pub fn with(&self, option: &str) -> Self {
        let mut with = self.clone();
        with.name += option;
        with.command.push(option.into());
        with
    }

    /// Starts it with its rows going to `output`, and returns once it is attached.
    ///
    /// # Errors
    /// It does not work here; the error is what it says of that.
    pub fn start(&self, output: File) -> Result<Running> {
        const PATIENCE: Duration = Duration::from_secs(300); // bpftrace compiles, under emulation
        // Not a pipe: nobody reads before the end.
        let stderr = File::from(memfd_create(c"stderr", MFdFlags::MFD_CLOEXEC)?);
        let started = Instant::now();
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).stdin(Stdio::null()).stdout(output).stderr(stderr.try_clone()?);
        let child = command.spawn().with_context(|| format!("{}: cannot start {:?}", self.name, self.command[0]))?;
        let mut running = Running { child, stderr, attached_after: Duration::ZERO };
        while !running.process().polls().unwrap_or(false) {
            if running.child.try_wait()?.is_some() || started.elapsed() > PATIENCE {
                let said = running.stop()?.said;
                bail!("{}: {}", self.name, said.lines().next().unwrap_or("it does not attach"));
            }
            thread::sleep(Duration::from_micros(100));
        }
        running.attached_after = started.elapsed();
        Ok(running)
    }
}

/// A tracer at work; killed if it is dropped.
pub struct Running {
    child: Child,
    stderr: File,
    pub attached_after: Duration,
}

/// What it said when it ended.
pub struct Ended {
    said: String,
}

impl Running {
    #[must_use]
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Waits until it has shown what it has seen: longer than our own naps and others' polls.
    pub fn settle(&self) {
        thread::sleep(Duration::from_millis(250));
    }

    /// Ends it as Ctrl-C does.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn stop(mut self) -> Result<Ended> {
        // It is a child not yet waited for, so the ID is its own.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGINT);
        self.child.wait().context("waiting for the tracer")?;
        let mut said = String::new();
        self.stderr.rewind()?;
        self.stderr.read_to_string(&mut said).context("reading what the tracer says")?;
        Ok(Ended { said })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is a child not yet waited for, or these do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The events that it says it lost: the total of ours, what others tell a read at a time.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let lost = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let at = words.iter().position(|word| word.eq_ignore_ascii_case("lost"))?;
            let number = |word: Option<&&str>| word.and_then(|word| word.parse::<u64>().ok());
            number(words.get(at + 1)).or_else(|| at.checked_sub(2).and_then(|at| number(words.get(at))))
        };
        let total = self.said.lines().find(|line| line.contains("lost in all")).and_then(lost);
        total.unwrap_or_else(|| self.said.lines().filter_map(lost).sum())
    }
}
