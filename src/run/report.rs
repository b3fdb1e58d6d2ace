//! Groups printed: a row each, or a histogram each.

use std::fmt::Write;
use std::time::Duration;

use crate::fields::Context;
use crate::fields::Field;
use crate::fields::VERSION;
use crate::options::question::Question;
use crate::output::Column;
use crate::output::Format;
use crate::output::Value;
use crate::output::Writer;
use crate::output::histogram;
use crate::output::last_of;
use crate::run::groups::Group;
use crate::run::groups::Groups;

/// The quantiles that are shown, of 100, with their names.
const QUANTILES: [(u64, &str); 3] = [(50, "p50"), (90, "p90"), (99, "p99")];

/// The group of rows that found no group. No name looks like this: a backslash in one is shown twice.
const OTHER: &str = r"\other";

/// Prints groups.
pub struct Report {
    format: Format,
    writer: Writer,
    /// Of the line with the time before a table. Made at the start: later the zone's file cannot be read.
    time: Writer,
    /// Not at the end alone, but at intervals.
    repeated: bool,
    show_header: bool,
}

impl Report {
    /// Of the answers to `question`; `counted` is what the table calls the number of rows.
    #[must_use]
    pub fn new(question: &Question, counted: &'static str, format: Format, repeated: bool, show_header: bool) -> Self {
        let columns = columns(question, counted, format, repeated);
        let time = Column { width: 8, is_time: true, ..Column::new("ts") };
        Self {
            format,
            writer: format.writer(columns, show_header),
            time: Format::Table.writer(vec![time], false),
            repeated,
            show_header,
        }
    }

    /// What CSV begins with, as it has one header alone.
    pub fn header(&mut self, out: &mut Vec<u8>) {
        if self.format == Format::Csv {
            self.writer.header(out);
        }
    }

    /// Prints what has been counted in `interval`, at the time `now` (nanoseconds since 1970), and begins anew.
    pub fn print(&mut self, groups: &mut Groups, context: &Context, now: i64, interval: Duration, out: &mut Vec<u8>) {
        let taken = groups.take(context);
        if self.format == Format::Table {
            if self.repeated && self.show_header {
                self.time.row([Value::Time(now)].into_iter(), out);
            }
            if groups.question.hist.is_none() {
                self.writer.header(out);
            }
        }
        for (group, is_other) in &taken {
            let answer = Answer {
                format: self.format,
                question: &groups.question,
                group,
                is_other: *is_other,
                context,
                now,
                interval,
            };
            match (groups.question.hist, self.format) {
                (Some(field), Format::Table) => answer.bars(&field, self.show_header, out),
                (Some(field), Format::Json) => answer.histogram_object(&field, &mut self.writer, out),
                (Some(_), Format::Csv) => answer.buckets(self.repeated, &mut self.writer, out),
                (None, _) => answer.row(self.repeated, &mut self.writer, out),
            }
        }
        if self.format == Format::Table && self.repeated {
            out.push(b'\n');
        }
    }
}

/// One group, to be printed.
struct Answer<'a> {
    format: Format,
    question: &'a Question,
    group: &'a Group,
    is_other: bool,
    context: &'a Context,
    now: i64,
    interval: Duration,
}

impl Answer<'_> {
    /// The values that the group is counted by; `other` stands for them all.
    fn by(&self) -> impl Iterator<Item = Value<'_>> {
        self.question.by.iter().enumerate().map(|(at, field)| match (self.is_other, at) {
            (false, _) => match self.group.value(field, self.context) {
                Value::Ratio(part, _) => Value::Number(part.into()),
                value => value,
            },
            (true, 0) if self.format != Format::Json => Value::Word(OTHER),
            (true, _) => Value::Unknown,
        })
    }

    /// In JSON, where no field can hold the word.
    fn other(&self) -> Value<'static> {
        if self.is_other { Value::True } else { Value::Unknown }
    }

    fn measured(&self) -> Vec<Value<'static>> {
        let mut values = vec![Value::Number(self.group.count)];
        let quantity = |field: Field| self.group.sum.map_or(Value::Unknown, |sum| field.kind.quantity(sum));
        values.extend(self.question.sum.map(quantity));
        if let (Some(field), Some(all)) = (self.question.quantiles, &self.group.distribution) {
            let known = |value| if all.count() == 0 { Value::Unknown } else { field.kind.quantity(value) };
            values.extend(QUANTILES.map(|(share, _)| known(all.quantile(share))));
            values.push(known(all.max()));
        }
        values
    }

    fn row(&self, repeated: bool, writer: &mut Writer, out: &mut Vec<u8>) {
        let (mut head, mut tail) = (vec![], vec![]);
        match self.format {
            Format::Table => {}
            Format::Csv => head.extend(self.ts(repeated)),
            Format::Json => {
                head.extend(self.head("group").map(|(_, value)| value));
                tail.extend([self.other(), Value::Number(self.interval.as_nanos() as u64)]);
            }
        }
        writer.row(head.into_iter().chain(self.by()).chain(self.measured()).chain(tail), out);
    }

    fn ts(&self, repeated: bool) -> Option<Value<'static>> {
        repeated.then_some(Value::Time(self.now))
    }

    /// What JSON objects begin with.
    fn head(&self, kind: &'static str) -> [(&'static str, Value<'static>); 4] {
        [
            ("v", Value::Number(VERSION)),
            ("tool", Value::Word(self.context.tool)),
            ("ts", Value::Time(self.now)),
            ("kind", Value::Word(kind)),
        ]
    }

    /// A histogram for people, under what it is of.
    fn bars(&self, field: &Field, show_header: bool, out: &mut Vec<u8>) {
        let Some(all) = &self.group.distribution else { return };
        if !self.question.by.is_empty() {
            let columns = self.question.by.iter().map(Field::column).collect();
            let mut writer = Format::Table.writer(columns, show_header);
            writer.header(out);
            writer.row(self.by(), out);
        }
        let unit = all.unit();
        histogram(field.kind.scale_of(unit), &all.histogram(), out);
        // A Vec takes all that is written to it.
        let mut say = |words: std::fmt::Arguments<'_>| drop(std::io::Write::write_fmt(out, words));
        let (rows, count) = (self.group.count, all.count());
        if count > 0 {
            let quantile = |share| match all.quantile_range(share) {
                (low, high) if low == high => (low / unit).to_string(),
                (low, high) => format!("{}-{}", low / unit, high / unit),
            };
            let known = QUANTILES.into_iter().chain([(100, "max")]);
            let words = [format!("count {count}"), format!("mean {}", all.mean() / unit)]
                .into_iter()
                .chain(known.map(|(share, name)| format!("{name} {}", quantile(share))));
            say(format_args!("{}\n", folded(format!("{} ({}):", field.key, field.kind.scale_of(unit)), words)));
        }
        if rows > count {
            say(format_args!("{}: not known in {} of {rows} rows\n", field.key, rows - count));
        }
        say(format_args!("\n"));
    }

    fn histogram_object(&self, field: &Field, writer: &mut Writer, out: &mut Vec<u8>) {
        let Some(all) = &self.group.distribution else { return };
        let unit = all.unit();
        let mut buckets = String::new();
        for (low, high, count) in all.histogram() {
            let high = last_of(high, unit);
            let comma = if buckets.is_empty() { "" } else { "," };
            // A String takes all that is written to it.
            let _ = write!(buckets, "{comma}[{},{high},{count}]", low.saturating_mul(unit));
        }
        let buckets = format!("[{buckets}]");
        let known = |value, is_known| if is_known && all.count() > 0 { Value::Number(value) } else { Value::Unknown };
        let by = self.question.by.iter().map(|field| field.key).zip(self.by());
        let quantiles = QUANTILES.map(|(share, name)| (name, known(all.quantile(share), all.knows_values())));
        let pairs: Vec<_> = self
            .head("histogram")
            .into_iter()
            .chain(by)
            .chain([
                ("field", Value::Word(field.key)),
                ("rows", Value::Number(self.group.count)),
                ("count", Value::Number(all.count())),
            ])
            .chain([("sum", known(all.sum(), true)), ("mean", known(all.mean(), true))])
            .chain(quantiles)
            .chain([("max", known(all.max(), all.knows_values())), ("buckets", Value::Json(&buckets))])
            .chain([("other", self.other()), ("interval_ns", Value::Number(self.interval.as_nanos() as u64))])
            .collect();
        writer.object(&pairs, out);
    }

    /// A row for each bucket.
    fn buckets(&self, repeated: bool, writer: &mut Writer, out: &mut Vec<u8>) {
        let Some(all) = &self.group.distribution else { return };
        let unit = all.unit();
        for (low, high, count) in all.histogram() {
            let high = last_of(high, unit);
            let range = [low.saturating_mul(unit), high, count].map(Value::Number);
            writer.row(self.ts(repeated).into_iter().chain(self.by()).chain(range), out);
        }
    }
}

/// `words` with commas between them, after `start`, on lines that are no wider than a terminal.
fn folded(start: String, words: impl Iterator<Item = String>) -> String {
    const WIDTH: usize = 80;
    let mut text = start;
    for (at, word) in words.enumerate() {
        text.push_str(if at > 0 { "," } else { "" });
        let width = text.len() - text.rfind('\n').map_or(0, |end| end + 1);
        // a blank before it, a comma after it
        text.push_str(if width + word.len() + 2 > WIDTH { "\n  " } else { " " });
        text.push_str(&word);
    }
    text
}

fn columns(question: &Question, counted: &'static str, format: Format, repeated: bool) -> Vec<Column> {
    let named = |key: &str, header: String, width| Column {
        header: header.into(),
        width,
        is_time: key == "ts",
        ..Column::new(key.to_owned())
    };
    let plain = |key: &str| named(key, key.to_uppercase(), 10);
    let mut columns = match format {
        Format::Table => vec![],
        Format::Csv => repeated.then(|| plain("ts")).into_iter().collect(),
        Format::Json => ["v", "tool", "ts", "kind"].map(plain).into(),
    };
    columns.extend(question.by.iter().map(Field::column));
    if question.hist.is_some() {
        columns.extend(["low", "high", "count"].map(plain));
        return columns;
    }
    columns.push(named("count", counted.to_owned(), 10));
    // The name of what is measured comes last: `backlog_max` is a field.
    let measured = |name: &str, field: &Field, width| {
        named(&format!("{name}_{}", field.key), format!("{}({})", name.to_uppercase(), field.header), width)
    };
    columns.extend(question.sum.map(|field| measured("sum", &field, 14)));
    if let Some(field) = question.quantiles {
        let names = QUANTILES.iter().map(|(_, name)| *name).chain(["max"]);
        columns.extend(names.map(|name| measured(name, &field, 12)));
    }
    if format == Format::Json {
        columns.extend(["other", "interval_ns"].map(plain));
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_for_a_line_goes_on_in_the_next() {
        let words = |count| (0..count).map(|_| "p99 8192-16383".to_owned());
        assert_eq!(folded("rtt_ns:".into(), words(1)), "rtt_ns: p99 8192-16383");
        let text = folded("rtt_ns:".into(), words(9));
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert_eq!(text.matches("p99 8192-16383").count(), 9);
        assert!(text.contains(",\n  p99"), "{text}");
    }
}
