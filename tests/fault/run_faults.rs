//! Runs that end before their time, and many of them.

use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use super::Play;
use super::attempts::Attempts;
use super::left::Things;
use super::left::kernel_memory;
use super::traced::make_all;
use crate::common::tool::command;

/// SIGKILL at SIZE moments, from the first instruction to well after all is attached. Nothing is left.
pub fn kill(play: &Play) -> Result<String> {
    let attempts = [play.attempts()?];
    let before = Things::now()?;
    let started = Instant::now();
    let tool = play.start(&attempts, &[], Stdio::null())?;
    let span = started.elapsed() * 3 / 2;
    let there = Things::now()?;
    ensure!(there.since(&before) > 0, "nothing of it is to be seen");
    drop(tool); // killed
    there.are_gone(&before)?;

    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut most = 0;
    for _ in 0..play.size {
        let mut command = command();
        command.args([&play.tool[..], "--backend", play.backend.name()]).args(&play.options);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        thread::sleep(span.mul_f64(random.next()));
        let there = Things::now()?;
        child.kill().context("it ended by itself")?;
        child.wait()?;
        there.are_gone(&before)?;
        // What it came by between the look and its end.
        Things::now()?.are_gone(&before)?;
        most = most.max(there.since(&before));
    }
    Ok(format!("killed {} times within {span:.0?} with up to {most} things in the kernel, 0 left", play.size))
}

/// SIZE runs one after the other, each ended once it is attached.
pub fn starts(play: &Play) -> Result<String> {
    const A_START: u64 = 32; // KiB; a run has more than 2 MB
    const NOISE: u64 = 16 << 10; // of everything else on the machine
    let attempts = [play.attempts()?];
    let run = || -> Result<()> {
        let output = play.start(&attempts, &[], Stdio::null())?.stop()?;
        ensure!(output.status.success(), "{}: {:?}", output.status, output.stderr);
        Ok(())
    };
    run()?; // what the kernel keeps after the first, it keeps
    let (before, memory) = (Things::now()?, kernel_memory()?);
    for _ in 0..play.size {
        run()?;
    }
    Things::now()?.are_gone(&before)?;
    let grown = kernel_memory()?.saturating_sub(memory);
    ensure!(grown < NOISE + A_START * play.size, "the kernel has {grown} KiB more after {} runs", play.size);
    Ok(format!("{} runs, the kernel's memory grew by {grown} KiB, 0 things left", play.size))
}

/// SIZE copies at once, each with all the rows of 1,000 attempts; their descriptors stay the same.
pub fn copies(play: &Play) -> Result<String> {
    let before = Things::now()?;
    let mut attempts = [Attempts::prepare(play.fate(), 1000, None)?];
    let copies = (0..play.size).map(|_| play.start_counted(&attempts, &[])).collect::<Result<Vec<_>>>()?;
    let descriptors = || copies.iter().map(|copy| copy.tool.descriptors()).collect::<Result<Vec<_>>>();
    thread::sleep(Duration::from_millis(200)); // all have given up what they do not need
    let at_first = descriptors()?;
    let made = make_all(&mut attempts)?;
    let there = Things::now()?;
    ensure!(descriptors()? == at_first, "descriptors: {at_first:?}, then {:?}", descriptors()?);
    let mut account = String::new();
    for copy in copies {
        account = copy.account(made)?.holds(play.backend, true)?;
    }
    there.are_gone(&before)?;
    let things = there.since(&before);
    Ok(format!("{} copies with {things} things in the kernel, each {account}; 0 left", play.size))
}

/// xorshift64: the same moments each time, as far as a machine has such.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as f64 / u64::MAX as f64
    }
}
