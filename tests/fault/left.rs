//! What a tool has in the kernel, and whether all of it is gone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use libbpf_rs::query::BtfInfoIter;
use libbpf_rs::query::LinkInfoIter;
use libbpf_rs::query::MapInfoIter;
use libbpf_rs::query::ProgInfoIter;

/// Programs, maps, links and BTF by number, mounts, probes of functions, pinned files.
#[derive(Debug, Clone)]
pub struct Things(BTreeSet<String>);

/// How long the kernel may take to free what nobody holds any more.
const PATIENCE: Duration = Duration::from_secs(60);

impl Things {
    pub fn now() -> Result<Self> {
        let mut things = BTreeSet::new();
        things.extend(ProgInfoIter::default().map(|program| format!("program {}", program.id)));
        things.extend(MapInfoIter::default().map(|map| format!("map {}", map.id)));
        things.extend(LinkInfoIter::default().map(|link| format!("link {}", link.id)));
        things.extend(BtfInfoIter::default().map(|btf| format!("BTF {}", btf.id)));
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("/proc/self/mountinfo")?;
        things.extend(mounts.lines().map(|mount| format!("mount {mount}")));
        for probes in ["/sys/kernel/debug/kprobes/list", "/sys/kernel/tracing/kprobe_events"] {
            // Neither is everywhere.
            let probes = fs::read_to_string(probes).unwrap_or_default();
            things.extend(probes.lines().map(|probe| format!("probe {probe}")));
        }
        if Path::new("/sys/fs/bpf").is_dir() {
            for pinned in fs::read_dir("/sys/fs/bpf")? {
                things.insert(format!("pinned {}", pinned?.path().display()));
            }
        }
        Ok(Self(things))
    }

    /// How many of them there are that were not there `before`.
    pub fn since(&self, before: &Self) -> usize {
        self.0.difference(&before.0).count()
    }

    /// Waits until nothing is left of what is there now and was not `before`. Other processes may come by
    /// what they like meanwhile.
    pub fn are_gone(&self, before: &Self) -> Result<()> {
        let ours = self.0.difference(&before.0).cloned().collect::<BTreeSet<_>>();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = Self::now()?.0;
            let left = ours.intersection(&now).collect::<Vec<_>>();
            if left.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "left behind: {left:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The memory of the kernel that BPF objects come from, in KiB.
pub fn kernel_memory() -> Result<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").context("/proc/meminfo")?;
    let number = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0)
    };
    Ok(["SUnreclaim:", "VmallocUsed:", "Percpu:", "PageTables:"].map(number).iter().sum())
}
