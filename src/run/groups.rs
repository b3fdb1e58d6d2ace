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
use crate::output::Bits;
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
    groups: Vec<Group>,
    /// Where each is, by the values of its fields.
    places: HashMap<Box<[Bits]>, usize, RandomState>,
    /// The texts among those values, each by a number.
    texts: HashMap<Box<[u8]>, u64, RandomState>,
    /// Rows of groups for which there was no room.
    other: Option<Group>,
    /// The values of the last row.
    key: Box<[Bits]>,
    /// The place of its group. Rows come in bursts, and to look up the group of each takes 100 instructions more.
    last: Option<usize>,
}

impl Groups {
    #[must_use]
    pub fn new(question: Question) -> Self {
        Self {
            groups: Vec::new(),
            places: HashMap::default(),
            texts: HashMap::default(),
            other: None,
            key: vec![Bits::NONE; question.by.len()].into(),
            last: None,
            question,
        }
    }

    /// Counts a row.
    pub fn add(&mut self, row: Row<'_>) {
        let has_room = self.groups.len() < self.question.max_groups;
        let same = self.read_key(&row, has_room);
        let place = match self.last {
            Some(place) if same => Some(place),
            _ => self.place(&row, has_room),
        };
        let group = match place {
            Some(place) => &mut self.groups[place],
            None => self.other.get_or_insert_with(|| Group::new(&row, &self.question)),
        };
        self.last = place;
        group.count += 1;
        let measured = |field: &Field| quantity((field.value)(&row));
        if let Some(sum) = self.question.sum.as_ref().and_then(measured) {
            group.sum = Some(group.sum.unwrap_or(0).saturating_add(sum));
        }
        if let Some(distribution) = &mut group.distribution
            && let Some(value) = self.question.distributed().and_then(measured)
        {
            distribution.add(value);
        }
    }

    /// Takes a group that was counted elsewhere: so many rows like this one, or `other` ones.
    pub fn insert(&mut self, row: Row<'_>, is_other: bool, count: u64, distribution: Distribution) {
        let group = Group { record: Kept::new(row.record), count, sum: None, distribution: Some(distribution) };
        if is_other {
            self.other = Some(group);
        } else {
            self.read_key(&row, true);
            self.places.insert(self.key.clone(), self.groups.len());
            self.groups.push(group);
            self.last = None;
        }
    }

    /// Whether the row has the values of the last one. Texts are not remembered where there is no room for a new group.
    fn read_key(&mut self, row: &Row<'_>, has_room: bool) -> bool {
        let mut same = true;
        for (field, last) in self.question.by.iter().zip(&mut self.key) {
            let value = (field.value)(row);
            let mut bits = value.bits();
            if bits == Bits::NONE {
                bits = text_bits(&value, &mut self.texts, has_room);
            }
            same &= *last == bits;
            *last = bits;
        }
        same
    }

    /// Where the group of the row is that has the values of `key`; `None` where there is no room for a new one.
    #[inline(never)]
    fn place(&mut self, row: &Row<'_>, has_room: bool) -> Option<usize> {
        if let Some(&place) = self.places.get(&self.key) {
            return Some(place);
        }
        has_room.then(|| {
            self.places.insert(self.key.clone(), self.groups.len());
            self.groups.push(Group::new(row, &self.question));
            self.groups.len() - 1
        })
    }

    /// How many rows are counted as `other`.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.other.as_ref().map_or(0, |other| other.count)
    }

    /// Hands the groups out in their order, `other` last, and begins anew.
    pub fn take(&mut self, context: &Context) -> Vec<(Group, bool)> {
        let question = &self.question;
        let mut groups = std::mem::take(&mut self.groups);
        self.places.clear();
        self.texts.clear();
        self.last = None;
        // Groups that are equal in that come in the order of their values.
        groups.sort_by_cached_key(|group| {
            let (most, first) = match question.sort {
                Sort::Count => (group.count, None),
                Sort::Sum => (group.sum.unwrap_or(0), None),
                Sort::Quantile(share) => (group.distribution.as_ref().map_or(0, |all| all.quantile(share)), None),
                Sort::Field(at) => (0, question.by.get(at).map(|field| group.key(field, context))),
            };
            let all: Vec<_> = question.by.iter().flat_map(|field| group.key(field, context)).collect();
            (Reverse(most), first, all)
        });
        let known = groups.into_iter().map(|group| (group, false)).take(question.top);
        known.chain(self.other.take().map(|other| (other, true))).collect()
    }
}

impl Group {
    fn new(row: &Row<'_>, question: &Question) -> Self {
        let distribution = question.distributed().map(|field| Distribution::new(field.kind.unit()));
        Self { record: Kept::new(row.record), count: 0, sum: None, distribution }
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

/// What stands for a value of no fixed size: the number of its text. One that is not known has none where there
/// is no room for a new group, so that foreign texts fill no memory.
#[cold]
fn text_bits(value: &Value<'_>, texts: &mut HashMap<Box<[u8]>, u64, RandomState>, has_room: bool) -> Bits {
    let mut text = Vec::new();
    encode(*value, &mut text);
    let number = texts.len() as u64;
    match texts.get(&text[..]) {
        Some(&number) => Bits::of_text(number),
        None if has_room => Bits::of_text(*texts.entry(text.into()).or_insert(number)),
        None => Bits::NONE,
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

/// Appends bytes that are the same for the same value alone, and in the order of values.
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
        Value::False => key.push(15),
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
