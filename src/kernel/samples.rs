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
use crate::kernel::event::plain;
use crate::kernel::maps;
use crate::kernel::types::common;
use crate::kernel::types::histogram;
use crate::kernel::types::histogram_limits;
use crate::privileges::Call;

const CPUS: usize = histogram_limits::CPUS.0 as usize;

/// The maps, of which programs use one at a time.
pub const MAPS: [&str; 2] = ["groups_a", "groups_b"];

/// What [`Groups::take`] asks of the kernel.
pub const CALLS: &[Call] = &[Call::bpf(BPF_MAP_UPDATE_ELEM), Call::bpf(BPF_MAP_LOOKUP_AND_DELETE_BATCH)];

impl histogram {
    /// How often there was something to count, with a value or without.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.unknown + self.slots.iter().sum::<u64>()
    }

    /// Moves what is in a histogram to which programs add meanwhile.
    ///
    /// # Safety
    /// It is mapped, and nobody has a reference to it.
    unsafe fn take(&mut self, from: *mut Self) {
        // SAFETY: the caller's word.
        let swap = |number: *mut u64| unsafe { AtomicU64::from_ptr(number) }.swap(0, Ordering::Relaxed);
        for (at, slot) in self.slots.iter_mut().enumerate() {
            // SAFETY: the same; no reference to the whole is made.
            *slot += swap(unsafe { &raw mut (*from).slots[at] });
        }
        // SAFETY: the same.
        let (sum, unknown) = unsafe { (&raw mut (*from).sum, &raw mut (*from).unknown) };
        self.sum += swap(sum);
        self.unknown += swap(unknown);
    }
}

plain!(histogram);

/// Takes what has been counted since the last time, of all, or of the groups for which there was no room. Memory alone is
/// read: no system call, no capability.
///
/// # Errors
/// The object has no histograms.
pub fn take_common(object: &Object) -> libbpf_rs::Result<histogram> {
    let common = maps::mapped::<[common; CPUS]>(object, ".bss.common")?;
    let mut all = histogram::default();
    for cpu in 0..CPUS {
        // SAFETY: the section is mapped, and is read here alone.
        unsafe { all.take(&raw mut (*common)[cpu].histogram) };
    }
    Ok(all)
}

/// Which of the maps the programs use.
#[derive(Debug, Default)]
pub struct Groups(usize);

impl Groups {
    /// Takes what has been counted of each group since the last time. What programs count meanwhile is for the next time.
    ///
    /// # Errors
    /// The kernel refuses to read a map, or it takes longer than `deadline`.
    pub fn take<K: Plain>(
        &mut self,
        object: &Object,
        deadline: Instant,
        take: impl FnMut(K, histogram),
    ) -> io::Result<()> {
        let used = MAPS[self.0];
        self.0 = 1 - self.0;
        let next = maps::find(object, MAPS[self.0]).map_err(io::Error::other)?.as_fd().as_raw_fd();
        let groups = maps::find(object, "groups").map_err(io::Error::other)?;
        let left = deadline.saturating_duration_since(Instant::now());
        // The kernel returns once no program uses the other map any more. That wait ends by itself, and is not counted.
        groups.update(&[0; 4], &next.to_ne_bytes(), MapFlags::ANY).map_err(io::Error::other)?;
        maps::take_entries(object, used, Instant::now() + left, take)
    }
}
