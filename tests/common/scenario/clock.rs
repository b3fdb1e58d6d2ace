//! The two clocks of a [`Moment`].

use nix::time::ClockId;
use nix::time::clock_gettime;

use crate::common::doer::Moment;

pub fn now() -> Moment {
    Moment { boot_ns: read(ClockId::CLOCK_BOOTTIME), real_ns: read(ClockId::CLOCK_REALTIME) }
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).expect("Linux has this clock");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}
