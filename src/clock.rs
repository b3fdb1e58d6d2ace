//! The clocks: events carry boot time, which goes on through suspend and is never set.

use nix::time::ClockId;
use nix::time::clock_gettime;

fn nanoseconds(clock: ClockId) -> i64 {
    clock_gettime(clock).map_or(0, |time| time.tv_sec() * 1_000_000_000 + time.tv_nsec())
}

/// What leads from boot time to the wall clock, now: nanoseconds. The wall clock can be set, so ask
/// again and again.
#[must_use]
pub fn wall_offset() -> i64 {
    wall_now() - nanoseconds(ClockId::CLOCK_BOOTTIME)
}

/// The wall clock: nanoseconds since 1970, UTC.
#[must_use]
pub fn wall_now() -> i64 {
    nanoseconds(ClockId::CLOCK_REALTIME)
}
