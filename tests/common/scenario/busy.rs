//! A process that is in bpf(2) nearly all the time, on the CPU of the one that made it: the kernel may
//! skip perf-attached programs there.

use std::iter;

use anyhow::Context;
use anyhow::Result;
use nix::sched::CpuSet;
use nix::sched::sched_setaffinity;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::bpf;
use super::process::spawn;

/// From now on this process, and those that it starts, stay on the first CPU.
pub fn stay_on_first_cpu() -> Result<()> {
    let mut first_cpu = CpuSet::new();
    first_cpu.set(0).context("CPU 0")?;
    sched_setaffinity(Pid::from_raw(0), &first_cpu).context("CPU affinity")
}

pub struct Busy(Pid);

impl Busy {
    pub fn start() -> Result<Busy> {
        let map = bpf::Map::new()?;
        let busy = spawn(|| {
            // Until it is killed.
            let error = iter::repeat_with(|| map.update().and_then(|()| map.read())).find_map(Result::err);
            eprintln!("bpf(2): {error:?}");
            1
        })?;
        Ok(Busy(busy))
    }

    pub fn end(self) -> Result<()> {
        kill(self.0, Signal::SIGKILL).context("kill")?;
        waitpid(self.0, None).context("waitpid")?;
        Ok(())
    }
}
