//! Options that count rows instead of showing them.

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;

use crate::args::parse_duration;

/// Where help lists them. For each option: that of the group would be that of all after it.
const HEADING: &str = "Counting";

/// Rows counted instead of shown.
#[derive(Debug, Args)]
pub struct Counting {
    /// Count rows instead of showing them
    ///
    /// By what a tool counts its rows says its manual page; `--by` names other fields. The counts are printed at
    /// the end, the largest first.
    #[arg(help_heading = HEADING, short, long)]
    pub count: bool,

    /// Count rows by these fields
    #[arg(help_heading = HEADING, long, value_name = "FIELD", value_delimiter = ',')]
    pub by: Vec<String>,

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

    /// Order groups by this
    ///
    /// `count`, `sum`, `p50`, `p90`, `p99`, `max`, or a field that rows are counted by. The largest comes first; fields
    /// are in ascending order.
    #[arg(help_heading = HEADING, long, value_name = "WHAT", default_value = "count")]
    pub sort: String,

    /// Print what was counted each SECS seconds, and begin anew
    #[arg(help_heading = HEADING, short, long, value_name = "SECS", value_parser = parse_duration)]
    pub interval: Option<Duration>,

    /// Print only the first N groups
    #[arg(help_heading = HEADING, short = 'r', long, visible_alias = "rows", value_name = "N")]
    pub top: Option<NonZeroU32>,

    /// How many groups there can be; rows of more are counted as one group, `other`
    #[arg(help_heading = HEADING, long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    pub max_groups: u32,
}

impl Counting {
    /// Whether rows are counted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.count || !self.by.is_empty() || self.sum.is_some() || self.quantiles.is_some() || self.hist.is_some()
    }
}
