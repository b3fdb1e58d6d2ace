//! More than the tool can take: it is stopped, or has no room, or the attempts come from everywhere at once.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use nix::sys::signal::Signal;

use super::Play;
use super::attempts::Attempts;
use super::attempts::Fate;
use super::traced::make_all;

/// SIGSTOP through all of the attempts.
pub fn stopped(play: &Play) -> Result<String> {
    let mut attempts = [play.attempts()?];
    let traced = play.start_counted(&attempts, &[])?;
    traced.tool.signal(Signal::SIGSTOP)?;
    let made = make_all(&mut attempts)?;
    traced.tool.signal(Signal::SIGCONT)?;
    traced.account(made)?.holds(play.backend, false)
}

/// Room for some 30 rows.
pub fn small_ring(play: &Play) -> Result<String> {
    let mut attempts = [play.attempts()?];
    let traced = play.start_counted(&attempts, &["--buffer-size", "4K"])?;
    let made = make_all(&mut attempts)?;
    traced.account(made)?.holds(play.backend, false)
}

/// Room for 16 attempts under way, and many more that are.
pub fn small_map(play: &Play) -> Result<String> {
    let mut attempts = [Attempts::prepare(Fate::Silent, play.size, None)?];
    let traced = play.start_counted(&attempts, &["--max-in-flight", "16"])?;
    let made = make_all(&mut attempts)?;
    traced.account(made)?.holds(play.backend, false)
}

/// Four processes, two on each of two CPUs.
pub fn four_processes(play: &Play) -> Result<String> {
    let cpus = thread::available_parallelism()?.get();
    let attempts = |process| Attempts::prepare(play.fate(), play.size / 4, Some(process % cpus));
    let mut attempts = (0..4).map(attempts).collect::<Result<Vec<_>>>()?;
    let traced = play.start_counted(&attempts, &[])?;
    let made = make_all(&mut attempts)?;
    traced.account(made)?.holds(play.backend, true)
}

/// The same without a fixed CPU, while one of the two is taken offline and back, again and again.
pub fn cpu_offline(play: &Play) -> Result<String> {
    const ONLINE: &str = "/sys/devices/system/cpu/cpu1/online";
    let switch = |to: &str| fs::write(ONLINE, to).context(ONLINE);
    let attempts = |_| Attempts::prepare(play.fate(), play.size / 4, None);
    let mut attempts = (0..4).map(attempts).collect::<Result<Vec<_>>>()?;
    let traced = play.start_counted(&attempts, &[])?;
    let mut times = 0;
    let made = thread::scope(|scope| {
        let made = scope.spawn(|| make_all(&mut attempts));
        while !made.is_finished() {
            switch("0")?;
            thread::sleep(Duration::from_millis(50));
            switch("1")?;
            thread::sleep(Duration::from_millis(50));
            times += 1;
        }
        made.join().expect("it makes attempts")
    })?;
    let account = traced.account(made)?.holds(play.backend, true)?;
    Ok(format!("{account}, a CPU offline {times} times"))
}
