//! Running `bpftools` as a user would: a child process, its two streams, its signals, its end. Every
//! wait is bounded.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::binary;

/// Longer than anything takes, also under emulation: reaching it is a failure.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub fn command() -> Command {
    let mut command = Command::new(binary::path());
    command.env("TZ", "UTC0").stdin(Stdio::null());
    command
}

/// The lines of a stream so far, collected by a thread of its own.
#[derive(Default)]
struct Lines {
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn collect(stream: impl Read + Send + 'static) -> Arc<Lines> {
        let lines = Arc::new(Lines::default());
        let shared = Arc::clone(&lines);
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut bytes = Vec::new();
            while let Ok(1..) = stream.read_until(b'\n', &mut bytes) {
                let line = String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(&bytes));
                shared.state.lock().unwrap().lines.push(line.into_owned());
                shared.grown.notify_all();
                bytes.clear();
            }
            shared.state.lock().unwrap().ended = true;
            shared.grown.notify_all();
        });
        lines
    }

    /// Waits until `found` holds for the lines, or the stream ends, or patience does.
    fn wait(&self, found: impl Fn(&[String]) -> bool) -> bool {
        let state = self.state.lock().unwrap();
        let (state, _) =
            self.grown.wait_timeout_while(state, PATIENCE, |state| !state.ended && !found(&state.lines)).unwrap();
        found(&state.lines)
    }

    fn ended(&self) -> bool {
        let state = self.state.lock().unwrap();
        let (state, _) = self.grown.wait_timeout_while(state, PATIENCE, |state| !state.ended).unwrap();
        state.ended
    }

    fn all(&self) -> Vec<String> {
        self.state.lock().unwrap().lines.clone()
    }
}

/// A running `bpftools TOOL`; killed if it is dropped.
pub struct Tool {
    child: Child,
    stdout: Option<Arc<Lines>>,
    stderr: Arc<Lines>,
}

/// What it left when it ended.
#[derive(Clone, Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
}

impl Tool {
    /// Starts it, and returns once its programs are attached. `-v` makes it say so.
    pub fn start(args: &[&str]) -> Result<Tool> {
        let mut tool = Tool::spawn(args)?;
        let stdout = tool.child.stdout.take().expect("it is a pipe");
        tool.stdout = Some(Lines::collect(stdout));
        tool.wait_attached()?;
        Ok(tool)
    }

    /// The same, but nobody reads its standard output: the caller has its pipe.
    pub fn start_unread(args: &[&str]) -> Result<(Tool, std::process::ChildStdout)> {
        let mut tool = Tool::spawn(args)?;
        let stdout = tool.child.stdout.take().expect("it is a pipe");
        tool.wait_attached()?;
        Ok((tool, stdout))
    }

    /// The same, with its standard output somewhere else.
    pub fn start_into(args: &[&str], stdout: impl Into<Stdio>) -> Result<Tool> {
        let mut tool = Tool::spawn_into(args, stdout)?;
        tool.wait_attached()?;
        Ok(tool)
    }

    /// Started by root with these capabilities alone.
    pub fn start_capable_of(args: &[&str], capabilities: &'static [libc::c_ulong]) -> Result<Tool> {
        let mut command = command();
        let drop_others = move || {
            const LAST: libc::c_ulong = 63;
            for capability in (0..=LAST).filter(|capability| !capabilities.contains(capability)) {
                // SAFETY: no pointers. One that the kernel does not know is no error of ours.
                unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability) };
            }
            Ok(())
        };
        // SAFETY: between fork and exec it makes system calls only.
        unsafe { command.pre_exec(drop_others) };
        let mut tool = Tool::spawn_command(command, args, Stdio::piped())?;
        let stdout = tool.child.stdout.take().expect("it is a pipe");
        tool.stdout = Some(Lines::collect(stdout));
        tool.wait_attached()?;
        Ok(tool)
    }

    fn spawn(args: &[&str]) -> Result<Tool> {
        Tool::spawn_into(args, Stdio::piped())
    }

    fn spawn_into(args: &[&str], stdout: impl Into<Stdio>) -> Result<Tool> {
        Tool::spawn_command(command(), args, stdout)
    }

    fn spawn_command(mut command: Command, args: &[&str], stdout: impl Into<Stdio>) -> Result<Tool> {
        command.args(args).arg("-v").stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        let stderr = Lines::collect(child.stderr.take().expect("it is a pipe"));
        Ok(Tool { child, stdout: None, stderr })
    }

    fn wait_attached(&mut self) -> Result<()> {
        let attached = self.stderr.wait(|lines| lines.iter().any(|line| line.contains("backend: ")));
        ensure!(attached, "it did not attach:\n{}", self.stderr.all().join("\n"));
        Ok(())
    }

    /// The line that names the chosen backend.
    pub fn backend_line(&self) -> String {
        self.stderr.all().into_iter().find(|line| line.contains("backend: ")).unwrap_or_default()
    }

    pub fn wait_stdout(&self, what: &str, found: impl Fn(&[String]) -> bool) -> Result<()> {
        let lines = self.stdout.as_ref().expect("its output is read");
        ensure!(lines.wait(found), "{what}: not in\n{}", lines.all().join("\n"));
        Ok(())
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.id()))?.count())
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.child.id() as i32), signal).context("a signal to the tool")
    }

    /// Waits for its own end.
    pub fn finish(mut self) -> Result<Output> {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().context("waiting for the tool")? {
                Some(status) => break status,
                None if Instant::now() > deadline => bail!("it did not end in {PATIENCE:?}"),
                None => thread::sleep(Duration::from_millis(2)),
            }
        };
        let stdout = self.stdout.take();
        ensure!(stdout.iter().all(|lines| lines.ended()), "its standard output did not end");
        ensure!(self.stderr.ended(), "its standard error did not end");
        Ok(Output { status, stdout: stdout.map(|lines| lines.all()).unwrap_or_default(), stderr: self.stderr.all() })
    }

    /// Ends it as Ctrl-C does.
    pub fn stop(self) -> Result<Output> {
        self.signal(Signal::SIGINT)?;
        self.finish()
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // It is a child not yet waited for, or these do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
