//! A tool at work beside the attempts that it is to show.

use std::io::PipeReader;
use std::io::Read;
use std::process::Stdio;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use super::Play;
use super::account::Account;
use super::attempts::Attempts;
use super::attempts::Fate;
use crate::common::tool::Tool;

impl Play {
    /// What the tool has a row for.
    pub fn fate(&self) -> Fate {
        if self.tool == "tcpaccept" { Fate::Accepted } else { Fate::Refused }
    }

    /// All attempts by one process.
    pub fn attempts(&self) -> Result<Attempts> {
        Attempts::prepare(self.fate(), self.size, None)
    }

    /// Starts the tool, for these attempts only.
    pub fn start(&self, attempts: &[Attempts], more: &[&str], stdout: impl Into<Stdio>) -> Result<Tool> {
        let ports = attempts.iter().map(Attempts::port).collect::<Vec<_>>().join(",");
        let mut arguments = vec![&self.tool[..], "--backend", self.backend.name(), "--no-header", "-P", &ports];
        arguments.extend(more);
        arguments.extend(self.options.iter().map(String::as_str));
        Tool::start_into(&arguments, stdout)
    }

    /// Starts it with a reader that counts its lines.
    pub fn start_counted(&self, attempts: &[Attempts], more: &[&str]) -> Result<Traced> {
        let (reader, stdout) = std::io::pipe()?;
        let tool = self.start(attempts, more, stdout)?;
        Ok(Traced { tool, lines: count(reader, Duration::ZERO) })
    }
}

/// A tool and the number of its lines.
pub struct Traced {
    pub tool: Tool,
    lines: JoinHandle<Result<u64>>,
}

impl Traced {
    pub fn new(tool: Tool, lines: JoinHandle<Result<u64>>) -> Self {
        Self { tool, lines }
    }

    /// Ends it as Ctrl-C does, after `made` attempts.
    pub fn account(self, made: u64) -> Result<Account> {
        let output = self.tool.stop()?;
        let rows = self.lines.join().expect("it counts")?;
        Account::of(made, rows, &output)
    }
}

/// Begins them all, and returns how many they made when they have.
pub fn make_all(attempts: &mut [Attempts]) -> Result<u64> {
    attempts.iter_mut().try_for_each(Attempts::begin)?;
    attempts.iter_mut().map(Attempts::made).sum()
}

/// Counts the lines of a pipe to its end, with a pause after each of its pages.
pub fn count(mut pipe: PipeReader, pause: Duration) -> JoinHandle<Result<u64>> {
    thread::spawn(move || {
        let mut buffer = vec![0; if pause.is_zero() { 1 << 16 } else { 1 << 12 }];
        let (mut lines, mut last) = (0, b'\n');
        loop {
            let bytes = pipe.read(&mut buffer).context("reading the tool's output")?;
            let Some(&end) = buffer[..bytes].last() else { break };
            last = end;
            lines += buffer[..bytes].iter().filter(|&&byte| byte == b'\n').count() as u64;
            thread::sleep(pause);
        }
        ensure!(last == b'\n', "the output ends within a line");
        Ok(lines)
    })
}
