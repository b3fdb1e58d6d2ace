//! When a tool that samples prints.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;

use super::Grouping;
use super::counting::parse_interval;

/// How often, and how many times if not until the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticks {
    pub interval: Option<Duration>,
    pub count: Option<u64>,
}

/// `TOOL [INTERVAL [COUNT]]`, beside `-i`, for tools that print at intervals whatever the options.
#[derive(Debug, Args)]
pub struct Intervals {
    /// Print every so many seconds, as -i
    #[arg(value_name = "INTERVAL", value_parser = parse_interval, conflicts_with = "interval")]
    every: Option<Duration>,

    /// Stop after so many intervals
    #[arg(value_name = "COUNT", requires = "every")]
    times: Option<NonZeroU32>,
}

impl Ticks {
    /// At the intervals of `-i`, until the end.
    #[must_use]
    pub fn of(grouping: &Grouping) -> Self {
        Self { interval: grouping.interval, count: None }
    }
}

impl Intervals {
    /// At these intervals, or else those of `-i`.
    #[must_use]
    pub fn ticks(&self, grouping: &Grouping) -> Ticks {
        match self.every {
            Some(every) => Ticks { interval: Some(every), count: self.times.map(|times| u64::from(times.get())) },
            None => Ticks::of(grouping),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Options {
        #[command(flatten)]
        grouping: Grouping,
        #[command(flatten)]
        intervals: Intervals,
    }

    fn ticks(arguments: &[&str]) -> Option<(Option<u64>, Option<u64>)> {
        let options = Options::try_parse_from([&["tool"], arguments].concat()).ok()?;
        let ticks = options.intervals.ticks(&options.grouping);
        Some((ticks.interval.map(|interval| interval.as_secs()), ticks.count))
    }

    #[test]
    fn an_interval_has_two_forms_but_not_at_once() {
        assert_eq!(ticks(&[]), Some((None, None)));
        assert_eq!(ticks(&["-i", "2"]), Some((Some(2), None)));
        assert_eq!(ticks(&["2"]), Some((Some(2), None)));
        assert_eq!(ticks(&["2", "5"]), Some((Some(2), Some(5))));
        for bad in [&["2", "0"][..], &["-i", "2", "3"], &["0"], &["1", "2", "3"]] {
            assert_eq!(ticks(bad), None, "{bad:?}");
        }
    }
}
