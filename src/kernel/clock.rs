//! The clocks: events carry boot time, which goes on through suspend and is never set.

use nix::time::ClockId;
use nix::time::clock_gettime;

fn nanoseconds(clock: ClockId) -> i64 {
    clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

/// What leads from boot time to the wall clock, now: nanoseconds. The wall clock can be set, so ask
/// again and again.
///
/// We can be preempted between reading the one and the other, which has made rows 20 ms too early.
/// So the wall clock is read between two reads of boot time, and the closest pair of three counts.
#[must_use]
pub fn wall_offset() -> i64 {
    let sample = || {
        let before = nanoseconds(ClockId::CLOCK_BOOTTIME);
        let wall = wall_now();
        let width = nanoseconds(ClockId::CLOCK_BOOTTIME) - before;
        (width, wall - before - width / 2)
    };
    let (_, offset) = [sample(), sample(), sample()].into_iter().min().unwrap_or_default();
    offset
}

/// The wall clock: nanoseconds since 1970, UTC.
#[must_use]
pub fn wall_now() -> i64 {
    nanoseconds(ClockId::CLOCK_REALTIME)
}
