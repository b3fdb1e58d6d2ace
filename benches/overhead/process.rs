//! What the kernel says of a process, all its threads together.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::time::clock_getcpuclockid;
use nix::time::clock_gettime;
use nix::unistd::Pid;

/// A process, by its ID.
#[derive(Debug, Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// User and system time so far.
    ///
    /// # Errors
    /// It is gone.
    pub fn cpu(self) -> io::Result<Duration> {
        let clock = clock_getcpuclockid(Pid::from_raw(self.0 as i32))?;
        Ok(clock_gettime(clock)?.into())
    }

    /// Context switches so far: how often it went to sleep, and was made to stop.
    ///
    /// # Errors
    /// It is gone.
    pub fn switches(self) -> io::Result<u64> {
        self.sum("status", |status| {
            number(&status, "voluntary_ctxt_switches:") + number(&status, "nonvoluntary_ctxt_switches:")
        })
    }

    /// The most memory it has held, in KiB.
    ///
    /// # Errors
    /// It is gone.
    pub fn peak_rss(self) -> io::Result<u64> {
        Ok(number(&fs::read_to_string(self.path("status"))?, "VmHWM:"))
    }

    /// The memory it holds, in KiB.
    ///
    /// # Errors
    /// It is gone.
    pub fn rss(self) -> io::Result<u64> {
        Ok(number(&fs::read_to_string(self.path("status"))?, "VmRSS:"))
    }

    /// Whether it sleeps in poll(2) or epoll_wait(2), as a tracer does once it is attached, whoever wrote it.
    ///
    /// # Errors
    /// It is gone.
    pub fn polls(self) -> io::Result<bool> {
        Ok(fs::read_to_string(self.path("wchan"))?.contains("poll"))
    }

    fn path(self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.0))
    }

    fn sum(self, file: &str, of_thread: impl Fn(String) -> u64) -> io::Result<u64> {
        let mut sum = 0;
        for thread in fs::read_dir(self.path("task"))? {
            sum += of_thread(fs::read_to_string(thread?.path().join(file))?);
        }
        Ok(sum)
    }
}

/// The number on the line that begins with `name`; 0 where there is none.
fn number(status: &str, name: &str) -> u64 {
    let rest = status.lines().find_map(|line| line.strip_prefix(name));
    rest.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
