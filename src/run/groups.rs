//! Rows counted by some of their fields, instead of shown.

use std::cmp::Reverse;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::fields::Context;
use crate::fields::Field;
use crate::fields::Row;
use crate::kernel::event::Kept;
use crate::options::question::Question;
use crate::options::question::Sort;
use crate::output::Distribution;
use crate::output::Value;

/// The rows that have the same values in the fields they are counted by.
pub struct Group {
    /// One of them, for the values.
    record: Kept,
    pub count: u64,
    /// `None` while no row had a value.
    pub sum: Option<u64>,
    pub distribution: Option<Distribution>,
}

/// All groups.
pub struct Groups {
    pub question: Question,
    groups: HashMap<Box<[u8]>, Group, RandomState>,
    /// Rows of groups for which there was no room.
    other: Option<Group>,
    /// The key of the row at hand.
    key: Vec<u8>,
}

impl Groups {
    #[must_use]
    pub fn new(question: Question) -> Self {
        Self { question, groups: HashMap::default(), other: None, key: Vec::new() }
    }

    /// Counts a row.
    pub fn add(&mut self, row: Row<'_>) {
        self.encode_key(row);
        let measured = |field: Option<&Field>| field.and_then(|field| quantity((field.value)(&row)));
        let sum = measured(self.question.sum.as_ref());
        let distributed = self.question.quantiles.as_ref().or(self.question.hist.as_ref());
        let has_room = self.groups.len() < self.question.max_groups;
        let group = match self.groups.get_mut(&self.key[..]) {
            Some(group) => group,
            None if has_room => {
                self.groups.entry(self.key.as_slice().into()).or_insert(Group::new(row.record, distributed))
            }
            None => self.other.get_or_insert_with(|| Group::new(row.record, distributed)),
        };
        group.count += 1;
        group.sum = group.sum.into_iter().chain(sum).reduce(u64::saturating_add);
        if let (Some(distribution), Some(value)) = (&mut group.distribution, measured(distributed)) {
            distribution.add(value);
        }
    }

    /// Takes a group that was counted elsewhere: so many rows like this one, or `other` ones.
    pub fn insert(&mut self, row: Row<'_>, is_other: bool, count: u64, distribution: Distribution) {
        let group = Group { record: Kept::new(row.record), count, sum: None, distribution: Some(distribution) };
        if is_other {
            self.other = Some(group);
        } else {
            self.encode_key(row);
            self.groups.insert(self.key.as_slice().into(), group);
        }
    }

    fn encode_key(&mut self, row: Row<'_>) {
        self.key.clear();
        for field in &self.question.by {
            encode((field.value)(&row), &mut self.key);
        }
    }

    /// How many rows are counted as `other`.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.other.as_ref().map_or(0, |other| other.count)
    }

    /// Hands the groups out in their order, `other` last, and begins anew.
    pub fn take(&mut self, context: &Context) -> Vec<(Group, bool)> {
        let question = &self.question;
        let mut groups: Vec<_> = self.groups.drain().collect();
        // What is equal in that comes in the order of its values.
        groups.sort_by_cached_key(|(key, group)| {
            let (most, first) = match question.sort {
                Sort::Count => (group.count, None),
                Sort::Sum => (group.sum.unwrap_or(0), None),
                Sort::Quantile(share) => (group.distribution.as_ref().map_or(0, |all| all.quantile(share)), None),
                Sort::Field(at) => (0, question.by.get(at).map(|field| group.key(field, context))),
            };
            (Reverse(most), first, key.clone())
        });
        let known = groups.into_iter().map(|(_, group)| (group, false)).take(question.top);
        known.chain(self.other.take().map(|other| (other, true))).collect()
    }
}

impl Group {
    fn new(record: &[u8], distributed: Option<&Field>) -> Self {
        let distribution = distributed.map(|field| Distribution::new(field.kind.unit()));
        Self { record: Kept::new(record), count: 0, sum: None, distribution }
    }

    /// The value that all its rows have in `field`.
    #[must_use]
    pub fn value<'a>(&'a self, field: &Field, context: &'a Context) -> Value<'a> {
        (field.value)(&Row::new(self.record.record(), context))
    }

    fn key(&self, field: &Field, context: &Context) -> Vec<u8> {
        let mut key = Vec::new();
        encode(self.value(field, context), &mut key);
        key
    }
}

fn quantity(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Number(value)
        | Value::Nanoseconds(value)
        | Value::Seconds(value)
        | Value::Bytes(value)
        | Value::Rate(value) => Some(value),
        Value::Ratio(part, _) => Some(part.into()),
        _ => None,
    }
}

/// Appends bytes that are the same for the same value alone, and in the order of numbers.
fn encode(value: Value<'_>, key: &mut Vec<u8>) {
    match value {
        Value::Unknown => key.push(0),
        Value::Number(value)
        | Value::Nanoseconds(value)
        | Value::Seconds(value)
        | Value::Bytes(value)
        | Value::Rate(value) => put(1, &value.to_be_bytes(), key),
        Value::Signed(value) => put(2, &value.wrapping_sub(i64::MIN).to_be_bytes(), key),
        // The second number is a field of its own.
        Value::Ratio(part, _) => put(3, &part.to_be_bytes(), key),
        Value::V4(addr) => put(4, &addr, key),
        Value::V6(addr) => put(5, &addr, key),
        Value::Name(name) => {
            let len = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
            put(6, &name[..len], key);
            key.push(0);
        }
        Value::Text(text) => {
            put(7, text, key);
            key.extend_from_slice(&text.len().to_be_bytes());
        }
        Value::Word(word) => {
            put(8, word.as_bytes(), key);
            key.push(0);
        }
        Value::Flags(_, bits) => put(9, &bits.to_be_bytes(), key),
        Value::Errno(number) => put(10, &number.to_be_bytes(), key),
        Value::Time(wall) => put(11, &wall.wrapping_sub(i64::MIN).to_be_bytes(), key),
        Value::True => key.push(12),
        Value::Json(json) => put(13, json.as_bytes(), key),
        Value::Header(header) => put(14, header.as_bytes(), key),
    }
}

fn put(kind: u8, bytes: &[u8], key: &mut Vec<u8>) {
    key.push(kind);
    key.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Kind;
    use crate::kernel::event::Head;

    /// Of a record the first byte counts.
    const NUMBER: Field =
        Field::new("number", "NUMBER", 6, Kind::Count, |row| Value::Number(u64::from(row.record[0])), "");

    fn groups(sort: Sort, top: usize, max_groups: usize, rows: &[u8]) -> Vec<(u64, u64, bool)> {
        let question =
            Question { by: vec![NUMBER], sum: Some(NUMBER), quantiles: None, hist: None, sort, top, max_groups };
        let mut groups = Groups::new(question);
        let context = Context::new("test", 0);
        for &row in rows {
            let mut record = [0; size_of::<Head>()];
            record[0] = row;
            let record = Kept::new(&record);
            groups.add(Row::new(record.record(), &context));
        }
        let others = groups.others();
        let taken = groups.take(&context);
        assert_eq!(taken.iter().filter(|(_, other)| *other).map(|(group, _)| group.count).sum::<u64>(), others);
        assert!(groups.take(&context).is_empty(), "it begins anew");
        taken.iter().map(|(group, other)| (group.record.record()[0].into(), group.count, *other)).collect()
    }

    #[test]
    fn the_most_frequent_comes_first() {
        assert_eq!(groups(Sort::Count, 9, 9, &[7, 5, 7, 9, 5, 7]), [(7, 3, false), (5, 2, false), (9, 1, false)]);
        assert_eq!(groups(Sort::Count, 2, 9, &[7, 5, 7, 9, 5, 7]), [(7, 3, false), (5, 2, false)]);
    }

    #[test]
    fn order_is_what_is_asked_for() {
        assert_eq!(groups(Sort::Sum, 9, 9, &[1, 1, 1, 9]), [(9, 1, false), (1, 3, false)]);
        assert_eq!(groups(Sort::Field(0), 9, 9, &[9, 200, 1, 9]), [(1, 1, false), (9, 2, false), (200, 1, false)]);
    }

    #[test]
    fn rows_of_more_groups_are_one() {
        assert_eq!(groups(Sort::Count, 9, 2, &[1, 2, 3, 1, 4, 2]), [(1, 2, false), (2, 2, false), (3, 2, true)]);
    }
}
