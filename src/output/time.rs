//! Times as characters. The calendar is asked once a second, not for each row: rows come in bursts.

use std::env;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

const SECOND: i64 = 1_000_000_000;

/// A clock, with the characters for the second that was asked for last.
pub struct WallClock {
    zone: TimeZone,
    format: &'static str,
    /// When it began.
    second: i64,
    text: String,
}

impl WallClock {
    /// HH:MM:SS in the local zone, UTC where that is unknown.
    pub fn local_time() -> Self {
        let zone = if is_odd(env::var_os("TZ")) { None } else { TimeZone::try_system().ok() };
        Self::new(zone.unwrap_or(TimeZone::UTC), "%H:%M:%S")
    }

    /// RFC 3339 in UTC up to the seconds and their dot, without fraction and zone.
    pub fn utc_date_time() -> Self {
        Self::new(TimeZone::UTC, "%Y-%m-%dT%H:%M:%S.")
    }

    fn new(zone: TimeZone, format: &'static str) -> Self {
        Self { zone, format, second: 0, text: String::new() }
    }

    /// The text for `wall` (nanoseconds since 1970), and what is left of its second.
    pub fn at(&mut self, wall: i64) -> (&[u8], u64) {
        let mut rest = wall.wrapping_sub(self.second);
        if !(0..SECOND).contains(&rest) || self.text.is_empty() {
            rest = wall.rem_euclid(SECOND);
            self.second = wall.wrapping_sub(rest);
            let time = Timestamp::from_second(wall.div_euclid(SECOND)).unwrap_or_default();
            self.text = time.to_zoned(self.zone.clone()).strftime(self.format).to_string();
        }
        (self.text.as_bytes(), rest as u64)
    }
}

/// Whether TZ names a file that cannot be that of a zone. Reading a FIFO or /proc/kmsg would wait, reading /dev/zero would
/// never end.
fn is_odd(tz: Option<OsString>) -> bool {
    const LARGEST: u64 = 1 << 20;
    let Some(tz) = tz else { return false };
    let name = tz.as_bytes();
    let name = name.strip_prefix(b":").unwrap_or(name);
    fs::metadata(Path::new("/usr/share/zoneinfo").join(OsStr::from_bytes(name)))
        .is_ok_and(|file| !file.is_dir() && (!file.is_file() || !(1..=LARGEST).contains(&file.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_file_of_some_size() {
        let odd = |tz: &str| is_odd(Some(tz.into()));
        assert!(odd("/dev/zero") && odd(":/dev/zero") && odd("/dev/null") && odd("/proc/version"));
        assert!(!odd("UTC0") && !odd("") && !odd("/etc/passwd") && !odd("no such zone") && !is_odd(None));
    }

    #[test]
    fn wall_clock_follows_the_second() {
        let mut clock = WallClock::utc_date_time();
        assert_eq!(clock.at(1_700_000_000_123_456_789), (&b"2023-11-14T22:13:20."[..], 123_456_789));
        assert_eq!(clock.at(1_700_000_000_999_999_999), (&b"2023-11-14T22:13:20."[..], 999_999_999));
        assert_eq!(clock.at(1_700_000_001_000_000_000), (&b"2023-11-14T22:13:21."[..], 0));
    }
}
