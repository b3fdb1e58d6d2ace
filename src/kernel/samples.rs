//! Histograms that programs make in the kernel (bpf/histogram.h), taken at intervals.

use std::io;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Instant;

use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use libbpf_rs::Object;
use libbpf_rs::libbpf_sys::BPF_MAP_LOOKUP_AND_DELETE_BATCH;
use libbpf_rs::libbpf_sys::BPF_MAP_UPDATE_ELEM;

use crate::kernel::event::Plain;
use crate::kernel::maps;
use crate::privileges::Call;

const SLOTS: usize = 32;
const CPUS: usize = 256;

/// struct histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Histogram {
    /// How many values, by their power of two; 0 is with 1.
    pub slots: [u64; SLOTS],
    pub sum: u64,
    /// How often there was no value yet.
    pub unknown: u64,
}

// SAFETY: integers and arrays of them.
unsafe impl Plain for Histogram {}

/// One of `common`, to which programs add meanwhile.
#[repr(C)]
struct Shared {
    slots: [AtomicU64; SLOTS],
    sum: AtomicU64,
    unknown: AtomicU64,
    unused: [u64; 6],
}

/// The maps, of which programs use one at a time.
pub const MAPS: [&str; 2] = ["groups_a", "groups_b"];

/// What [`Samples::take`] asks of the kernel.
pub const CALLS: &[Call] = &[Call::bpf(BPF_MAP_UPDATE_ELEM), Call::bpf(BPF_MAP_LOOKUP_AND_DELETE_BATCH)];

impl Histogram {
    /// How often there was a segment, or whatever it counts.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.unknown + self.slots.iter().sum::<u64>()
    }

    fn add(&mut self, shared: &Shared) {
        let take = |number: &AtomicU64| number.swap(0, Ordering::Relaxed);
        for (slot, more) in self.slots.iter_mut().zip(&shared.slots) {
            *slot += take(more);
        }
        self.sum += take(&shared.sum);
        self.unknown += take(&shared.unknown);
    }
}

/// Which of the maps the programs use.
#[derive(Debug, Default)]
pub struct Samples(usize);

impl Samples {
    /// Takes what has been counted since the last time: that of each group by its key, and without one that of all, or of
    /// the groups for which there was no room. What programs count meanwhile is for the next time.
    ///
    /// # Errors
    /// The kernel refuses to read a map, or it takes longer than `deadline`.
    pub fn take<K: Plain>(
        &mut self,
        object: &Object,
        deadline: Instant,
        mut take: impl FnMut(Option<&K>, &Histogram),
    ) -> io::Result<()> {
        let used = MAPS[self.0];
        self.0 = 1 - self.0;
        let next = maps::find(object, MAPS[self.0]).map_err(io::Error::other)?.as_fd().as_raw_fd();
        let groups = maps::find(object, "groups").map_err(io::Error::other)?;
        let left = deadline.saturating_duration_since(Instant::now());
        // The kernel returns once no program uses the other map any more. That wait ends by itself, and is not counted.
        groups.update(&[0; 4], &next.to_ne_bytes(), MapFlags::ANY).map_err(io::Error::other)?;
        let deadline = Instant::now() + left;
        maps::take_entries(object, used, deadline, |key: K, histogram| take(Some(&key), &histogram))?;
        // SAFETY: atomics, but for what nobody uses.
        let common = unsafe { maps::mapped::<[Shared; CPUS]>(object, ".bss.common") }.map_err(io::Error::other)?;
        let mut all = Histogram::default();
        common.iter().for_each(|shared| all.add(shared));
        if all.count() > 0 {
            take(None, &all);
        }
        Ok(())
    }
}
