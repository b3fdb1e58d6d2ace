//! Options that count rows instead of showing them.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;

use super::run::parse_duration;

/// How many groups there can be if nothing else is asked for.
const MAX_GROUPS: u32 = 10_000;

/// Where help lists them. For each option: that of the group would be that of all after it.
const HEADING: &str = "Counting";

/// What makes a group, and which groups are printed when.
#[derive(Debug, Clone, Default, Args)]
pub struct Grouping {
    /// Count rows by these fields
    #[arg(help_heading = HEADING, long, value_name = "FIELD", value_delimiter = ',')]
    pub by: Vec<String>,

    /// Sort groups by WHAT
    ///
    /// WHAT is `count` (the default), `sum`, `p50`, `p90`, `p99` or `max`, of which the largest comes first, or a field that rows are
    /// counted by, whose values are in ascending order.
    #[arg(help_heading = HEADING, long, value_name = "WHAT")]
    pub sort: Option<String>,

    /// Print the counts every SECS seconds and start again from zero
    #[arg(help_heading = HEADING, short, long, value_name = "SECS", value_parser = parse_interval)]
    pub interval: Option<Duration>,

    /// Print only the first N groups
    #[arg(help_heading = HEADING, short = 'r', long, visible_alias = "rows", value_name = "N")]
    pub top: Option<NonZeroU32>,

    /// Keep at most N groups [default: 10000]
    ///
    /// Rows of further groups are counted together, as `other`. A group takes some 200 bytes, with quantiles or a histogram up
    /// to 100 KB.
    #[arg(help_heading = HEADING, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    max_groups: Option<u32>,
}

/// Rows counted instead of shown.
#[derive(Debug, Default, Args)]
pub struct Counting {
    /// Count rows instead of showing them
    ///
    /// The manual page says which fields are used; `--by` names others. The counts are printed at the end, the largest
    /// first.
    #[arg(help_heading = HEADING, short, long)]
    pub count: bool,

    #[command(flatten)]
    pub grouping: Grouping,

    /// Add the sum of this field to each count
    #[arg(help_heading = HEADING, long, value_name = "FIELD")]
    pub sum: Option<String>,

    /// Add quantiles of this field (50, 90 and 99 %) and its maximum to each count
    ///
    /// They are right within 1 %.
    #[arg(help_heading = HEADING, long, value_name = "FIELD")]
    pub quantiles: Option<String>,

    /// Print a histogram of this field, one for each group with --by
    #[arg(help_heading = HEADING, long, value_name = "FIELD", conflicts_with_all = ["sum", "quantiles"])]
    pub hist: Option<String>,
}

/// Each interval prints something, so there is a limit to how many are of use.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_millis(10);
    let interval = parse_duration(text)?;
    if interval < LEAST { Err("must be at least 0.01 seconds".into()) } else { Ok(interval) }
}

impl Grouping {
    /// The most groups to keep.
    #[must_use]
    pub fn max_groups(&self) -> u32 {
        self.max_groups.unwrap_or(MAX_GROUPS)
    }
}

impl Counting {
    /// The first option that is given and means nothing unless rows are counted.
    #[must_use]
    pub fn idle(&self) -> Option<&'static str> {
        let given = [
            (self.grouping.sort.is_some(), "--sort"),
            (self.grouping.interval.is_some(), "--interval"),
            (self.grouping.top.is_some(), "--top"),
            (self.grouping.max_groups.is_some(), "--max-groups"),
        ];
        given.into_iter().find(|(given, _)| *given).map(|(_, name)| name)
    }

    /// Whether rows are counted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.count
            || !self.grouping.by.is_empty()
            || self.sum.is_some()
            || self.quantiles.is_some()
            || self.hist.is_some()
    }
}
