//! One run: the tool beside the scenario. Started in the right order, ended in the right order.

use std::env;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::process::Child;
use std::process::ChildStdin;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;

use super::machine;
use super::message::Message;
use super::message::Verdict;
use super::mode::Format;
use super::row;
use super::row::Line;
use super::row::Losses;
use super::row::Row;
use super::scenario::play;
use super::scenario::ports;
use super::subject::Deed;
use super::subject::Subject;
use super::tool::Output;
use super::tool::PATIENCE;
use super::tool::Tool;

/// Each case's, by its name.
pub type Verdicts = Vec<(String, Verdict)>;

/// The scenario program as the harness sees it.
pub struct Scenario<D> {
    child: Child,
    stdin: Option<ChildStdin>,
    messages: Receiver<Message<D>>,
    /// Each case's process.
    pub pids: Vec<(String, u32)>,
    pub deeds: Vec<D>,
    /// What a load made, if it is a load that says so.
    pub made: u64,
    pub verdicts: Verdicts,
}

impl<D: Deed> Scenario<D> {
    /// Starts it; its processes are there when this returns, and wait.
    pub fn prepare(cases: &[&str]) -> Result<Scenario<D>> {
        let mut child = Command::new(env::current_exe()?)
            .env(play::TOOL, D::TOOL)
            .env(play::VARIABLE, cases.join(","))
            .env(ports::VARIABLE, ports::range().start.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the scenario")?;
        let stdout = child.stdout.take().expect("it is a pipe");
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let message = serde_json::from_str(&line).expect("a message of the scenario");
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let stdin = child.stdin.take();
        let mut scenario = Scenario { child, stdin, messages, pids: vec![], deeds: vec![], made: 0, verdicts: vec![] };
        scenario.listen_until(|message| matches!(message, Message::Prepared(_)))?;
        Ok(scenario)
    }

    pub fn pid(&self, case: &str) -> u32 {
        self.pids.iter().find(|(name, _)| name == case).expect("a case of that name").1
    }

    /// Starts the cases.
    pub fn start(&mut self) -> Result<()> {
        let stdin = self.stdin.as_mut().context("it has ended")?;
        stdin.write_all(b".").context("starting the cases")
    }

    /// Plays all cases; on return only what is to stay pending is still under way.
    pub fn play(&mut self) -> Result<()> {
        self.start()?;
        self.listen_until(|message| matches!(message, Message::Played))
    }

    /// Lets go of what is pending, and waits for the end.
    pub fn end(mut self) -> Result<(Vec<D>, Verdicts)> {
        self.stdin = None;
        while let Ok(message) = self.messages.recv_timeout(PATIENCE) {
            self.take(message);
        }
        let status = self.child.wait().context("the scenario's end")?;
        ensure!(status.success(), "the scenario ended with {status}");
        Ok((std::mem::take(&mut self.deeds), std::mem::take(&mut self.verdicts)))
    }

    fn listen_until(&mut self, last: impl Fn(&Message<D>) -> bool) -> Result<()> {
        loop {
            let Ok(message) = self.messages.recv_timeout(PATIENCE) else {
                bail!("the scenario fell silent");
            };
            let done = last(&message);
            self.take(message);
            if done {
                return Ok(());
            }
        }
    }

    fn take(&mut self, message: Message<D>) {
        match message {
            Message::Prepared(pids) => self.pids = pids,
            Message::Deed(deed) => self.deeds.push(deed),
            Message::Made(made) => self.made += made,
            Message::Verdict { case, verdict } => self.verdicts.push((case, verdict)),
            Message::Played => {}
        }
    }
}

impl<D> Drop for Scenario<D> {
    fn drop(&mut self) {
        // It is a child not yet waited for, or these do nothing. Its processes die with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All that came of a run.
#[derive(Debug)]
pub struct Run<D> {
    pub pids: Vec<(String, u32)>,
    pub deeds: Vec<D>,
    pub verdicts: Verdicts,
    pub rows: Vec<Row>,
    /// In the order of their lines; in text there are none.
    pub losses: Vec<Losses>,
    pub output: Output,
    pub backend_line: String,
}

impl<D> Run<D> {
    /// What the tool says about rows that are lost, if it says anything.
    pub fn told_loss(&self) -> Option<&str> {
        self.said(" rows lost ")
    }

    /// What it says about programs that the kernel skipped.
    pub fn told_skips(&self) -> Option<&str> {
        self.said(" the kernel skipped a program")
    }

    fn said(&self, words: &str) -> Option<&str> {
        self.output.stderr.iter().map(String::as_str).find(|line| line.contains(words))
    }
}

impl<D: Deed> Run<D> {
    /// Whether the row can be about something that a case did, as far as one sees without looking closer.
    fn is_of_a_case(&self, row: &Row) -> bool {
        self.pids.iter().any(|&(_, pid)| Some(pid) == row.pid()) || self.deeds.iter().any(|deed| deed.may_be(row))
    }

    /// Rows about nothing that a case did. Where other processes may do something of that kind, too, only rows
    /// to this program's own ports are judged.
    pub fn strays<S: Subject>(&self) -> impl Iterator<Item = &Row> {
        let is_ours =
            |row: &Row| machine::is_ours_alone() || S::own_port(row).is_some_and(|port| ports::range().contains(&port));
        self.rows.iter().filter(move |row| is_ours(row) && !self.is_of_a_case(row))
    }
}

/// Plays `cases` under the tool; `args` may name the processes of the cases.
pub fn play<D: Deed>(cases: &[&str], format: Format, args: impl FnOnce(&Scenario<D>) -> Vec<String>) -> Result<Run<D>> {
    let mut runs = play_together(cases, |scenario| vec![(format, args(scenario))])?;
    runs.pop().expect("one run")
}

/// What came of runs side by side, as long as there were any.
pub type Runs<D> = Result<Vec<Result<Run<D>>>>;

/// Plays `cases` once, under several runs of the tool side by side.
pub fn play_together<D: Deed>(
    cases: &[&str],
    args: impl FnOnce(&Scenario<D>) -> Vec<(Format, Vec<String>)>,
) -> Runs<D> {
    let mut scenario = Scenario::prepare(cases)?;
    let start = |(format, args): (Format, Vec<String>)| -> Result<(Format, Tool)> {
        let args = args.iter().map(String::as_str).collect::<Vec<_>>();
        Ok((format, Tool::start(&args)?))
    };
    let tools = args(&scenario).into_iter().map(start).collect::<Vec<_>>();
    scenario.play()?;
    // One after the other: the end of a run has a deadline, so it is not to wait for that of the others.
    let end = |(format, tool): (Format, Tool)| -> Result<_> {
        let line = tool.backend_line();
        Ok((format, tool.stop()?, line))
    };
    let ended = tools.into_iter().map(|tool| tool.and_then(end)).collect::<Vec<_>>();
    let pids = scenario.pids.clone();
    let (deeds, verdicts) = scenario.end()?;
    let run = |ended: Result<(Format, Output, String)>| {
        let (format, output, backend_line) = ended?;
        ensure!(output.status.success(), "{}\n{}", output.status, output.stderr.join("\n"));
        let (rows, losses) = read(D::TOOL, format, &output.stdout)?;
        let (pids, deeds, verdicts) = (pids.clone(), deeds.clone(), verdicts.clone());
        Ok(Run { pids, deeds, verdicts, rows, losses, output, backend_line })
    };
    Ok(ended.into_iter().map(run).collect())
}

/// What the lines of a tool's output say.
pub fn read(tool: &str, format: Format, lines: &[String]) -> Result<(Vec<Row>, Vec<Losses>)> {
    let (mut rows, mut losses) = (Vec::new(), Vec::new());
    if format == Format::Json {
        for line in lines {
            match row::from_json(tool, line)? {
                Line::Row(row) => rows.push(row),
                Line::Losses(object) => losses.push(object),
            }
        }
    } else {
        let (header, lines) = lines.split_first().context("no header")?;
        let read = if format == Format::Text { row::from_text } else { row::from_csv };
        for line in lines {
            rows.push(read(tool, header, line)?);
        }
    }
    Ok((rows, losses))
}
