//! Times to text. The calendar is asked once a second, not once a row: rows come in bursts.

use jiff::Timestamp;
use jiff::tz::TimeZone;

const SECOND: i64 = 1_000_000_000;

/// The wall clock's text for the second last asked for.
pub struct WallClock {
    zone: TimeZone,
    format: &'static str,
    second: i64,
    text: String,
}

impl WallClock {
    /// HH:MM:SS in the local zone, UTC where that is unknown.
    pub fn local_time() -> Self {
        Self::new(TimeZone::try_system().unwrap_or(TimeZone::UTC), "%H:%M:%S")
    }

    /// RFC 3339 in UTC up to the seconds, without fraction and zone.
    pub fn utc_date_time() -> Self {
        Self::new(TimeZone::UTC, "%Y-%m-%dT%H:%M:%S")
    }

    fn new(zone: TimeZone, format: &'static str) -> Self {
        Self { zone, format, second: i64::MIN, text: String::new() }
    }

    /// The text for `wall` (nanoseconds since 1970), and what is left of its second.
    pub fn at(&mut self, wall: i64) -> (&str, u64) {
        let second = wall.div_euclid(SECOND);
        if second != self.second {
            let time = Timestamp::from_second(second).unwrap_or_default();
            self.text = time.to_zoned(self.zone.clone()).strftime(self.format).to_string();
            self.second = second;
        }
        (&self.text, wall.rem_euclid(SECOND) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_clock_follows_the_second() {
        let mut clock = WallClock::utc_date_time();
        assert_eq!(clock.at(1_700_000_000_123_456_789), ("2023-11-14T22:13:20", 123_456_789));
        assert_eq!(clock.at(1_700_000_000_999_999_999), ("2023-11-14T22:13:20", 999_999_999));
        assert_eq!(clock.at(1_700_000_001_000_000_000), ("2023-11-14T22:13:21", 0));
    }
}
