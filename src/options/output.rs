//! What rows show, and how they are written.

use std::num::NonZeroU64;

use clap::Args;

use super::Counting;
use crate::fields;
use crate::fields::Field;
use crate::options::question::Question;
use crate::output::Format;

/// How to write it.
#[derive(Debug, Clone, Default, Args)]
pub struct Writing {
    /// How to write rows
    #[arg(long, value_name = "FORMAT", default_value = "table", overrides_with_all = ["json", "format"])]
    format: Format,

    /// Print one JSON object a line, as `--format json` does
    #[arg(long, overrides_with_all = ["json", "format"])]
    json: bool,

    /// Leave the header out
    #[arg(long)]
    pub no_header: bool,
}

impl Writing {
    #[must_use]
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// What to print, and when that is enough.
#[derive(Debug, Default, Args)]
pub struct Output {
    /// Add the column TIME(s): seconds since the first row
    #[arg(short, long)]
    pub timestamp: bool,

    /// Add the column TIME: the local time, HH:MM:SS
    #[arg(short = 'T', long)]
    pub time: bool,

    /// Add the column UID
    #[arg(short = 'U', long)]
    pub print_uid: bool,

    /// Show these fields, in this order
    ///
    /// `+FIELD` adds a field to those that are shown by default, and `-FIELD` removes one. `list` prints all fields and
    /// what they mean, and traces nothing.
    #[arg(long, value_name = "FIELD", value_delimiter = ',', allow_hyphen_values = true)]
    pub fields: Vec<String>,

    #[command(flatten)]
    pub writing: Writing,

    #[command(flatten)]
    pub counting: Counting,

    /// Stop after N rows
    ///
    /// What is still under way then is counted, but not printed.
    #[arg(short = 'n', long, value_name = "N")]
    pub max_events: Option<NonZeroU64>,
}

impl Output {
    /// The fields that rows show, of those that all tools have and of the tool's `own`; `table` are the keys
    /// that its table shows by default, beside those for which there are options.
    ///
    /// # Errors
    /// `--fields` names one that there is not, or leaves none.
    pub fn shown(&self, own: &[Field], table: &[&'static str]) -> Result<Vec<Field>, String> {
        let all: Vec<Field> = fields::IDENTITY.iter().chain(own).copied().collect();
        let default: Vec<_> = match self.writing.format() {
            Format::Json => {
                let is_shown = |field: &&Field| field.in_json || self.timestamp && field.key == "elapsed_ns";
                all.iter().filter(is_shown).map(|field| field.key).collect()
            }
            Format::Table | Format::Csv => {
                let asked = [(self.time, "ts"), (self.timestamp, "elapsed_ns"), (self.print_uid, "uid")];
                asked.iter().filter(|(shown, _)| *shown).map(|&(_, key)| key).chain(table.iter().copied()).collect()
            }
        };
        fields::select(&all, &default, &self.fields)
    }

    /// The fields that the options name, each with the option.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let shown = self.fields.iter().filter(|word| !word.starts_with('-'));
        let shown = shown.map(|word| ("--fields", word.strip_prefix('+').unwrap_or(word)));
        let Counting { grouping, sum, quantiles, hist, .. } = &self.counting;
        let by = grouping.by.iter().map(|key| ("--by", &**key));
        let measured = [("--sum", sum), ("--quantiles", quantiles), ("--hist", hist)];
        let measured = measured.into_iter().filter_map(|(option, key)| Some((option, key.as_deref()?)));
        shown.chain(by).chain(measured)
    }

    /// What is to be counted, where rows are counted and not shown, of a tool that has `all` these fields and counts
    /// `by` these by default.
    ///
    /// # Errors
    /// The options contradict each other, or name a field that there is not.
    pub fn question(&self, all: &[Field], by: &[&str]) -> Result<Option<Question>, String> {
        if !self.counting.is_on() {
            return match self.counting.idle() {
                Some(option) => Err(format!("{option} needs -c, --by, --sum, --quantiles or --hist")),
                None => Ok(None),
            };
        }
        let shows =
            [(!self.fields.is_empty(), "--fields"), (self.timestamp, "-t"), (self.time, "-T"), (self.print_uid, "-U")];
        if let Some((_, option)) = shows.into_iter().find(|(given, _)| *given) {
            return Err(format!("{option} is for rows that are shown; where they are counted, --by names the fields"));
        }
        Question::of(&self.counting, all, by).map(Some)
    }
}
