//! How values are distributed, in little memory: quantiles within 1 %, and a histogram of powers of two.

use std::collections::BTreeMap;

/// Buckets between two powers of two: a value is known to one part in 64, its middle to one in 128.
const STEPS: u32 = 64;

/// A sketch of many values.
#[derive(Debug, Clone)]
pub struct Distribution {
    /// What one step of the histogram's scale is.
    unit: u64,
    count: u64,
    sum: u128,
    max: u64,
    /// How many values each bucket has, by its number.
    buckets: BTreeMap<u16, u64>,
    /// How many there are by the power of two of value / unit.
    powers: BTreeMap<u32, u64>,
}

impl Distribution {
    /// An empty one, whose histogram counts in `unit`s.
    #[must_use]
    pub fn new(unit: u64) -> Self {
        Self { unit, count: 0, sum: 0, max: 0, buckets: BTreeMap::new(), powers: BTreeMap::new() }
    }

    /// One of which the powers of two alone were counted, beside their sum, in `unit`s.
    #[must_use]
    pub fn of_powers(unit: u64, powers: &[u64], sum: u64) -> Self {
        let powers: BTreeMap<_, _> = (0..).zip(powers.iter().copied()).filter(|&(_, count)| count > 0).collect();
        let sum = u128::from(sum) * u128::from(unit);
        Self { count: powers.values().sum(), sum, powers, ..Self::new(unit) }
    }

    pub fn add(&mut self, value: u64) {
        self.count += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
        *self.buckets.entry(bucket(value)).or_default() += 1;
        // 0 and 1 share the first, as in bcc's histograms.
        *self.powers.entry((value / self.unit).checked_ilog2().unwrap_or(0)).or_default() += 1;
    }

    /// What one step of the histogram's scale is.
    #[must_use]
    pub fn unit(&self) -> u64 {
        self.unit
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    #[must_use]
    pub fn sum(&self) -> u64 {
        u64::try_from(self.sum).unwrap_or(u64::MAX)
    }

    /// 0 where there are no values.
    #[must_use]
    pub fn mean(&self) -> u64 {
        self.sum.checked_div(self.count.into()).unwrap_or(0) as u64
    }

    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value below which are `share` (of 100) of all, within 1 %; where no more is known, the least value of
    /// its power of two.
    #[must_use]
    pub fn quantile(&self, share: u64) -> u64 {
        self.quantile_range(share).0
    }

    /// The same, as far as it is known: the least and the greatest that it can be.
    #[must_use]
    pub fn quantile_range(&self, share: u64) -> (u64, u64) {
        let rank = (u128::from(self.count) * u128::from(share.min(100))).div_ceil(100).max(1) as u64;
        if !self.knows_values() {
            let (low, high) = at_rank(&self.powers, rank).map_or((0, 0), power_bounds);
            return (low.saturating_mul(self.unit), last_of(high, self.unit));
        }
        let middle = |number| {
            let (low, high) = bounds(number);
            (low + (high - low) / 2).min(self.max)
        };
        let value = if share < 100 { at_rank(&self.buckets, rank).map_or(self.max, middle) } else { self.max };
        (value, value)
    }

    /// Whether more is known of the values than their powers of two.
    #[must_use]
    pub fn knows_values(&self) -> bool {
        self.buckets.values().any(|&count| count > 0) || self.count == 0
    }

    /// The histogram, from the first to the last power of two that has values: the least value of each,
    /// its greatest, and how many, in units.
    #[must_use]
    pub fn histogram(&self) -> Vec<(u64, u64, u64)> {
        let powers = self.powers.keys().next().zip(self.powers.keys().next_back());
        powers
            .into_iter()
            .flat_map(|(&first, &last)| first..=last)
            .map(|power| {
                let (low, high) = power_bounds(power);
                (low, high, self.powers.get(&power).copied().unwrap_or(0))
            })
            .collect()
    }
}

/// The first number at which so many were counted.
fn at_rank<N: Copy>(counts: &BTreeMap<N, u64>, rank: u64) -> Option<N> {
    let mut seen = 0;
    counts
        .iter()
        .find(|&(_, &count)| {
            seen += count;
            seen >= rank
        })
        .map(|(&number, _)| number)
}

/// The least and the greatest value with this power of two.
fn power_bounds(power: u32) -> (u64, u64) {
    (if power == 0 { 0 } else { 1 << power }, u64::MAX >> (63 - power))
}

/// The last value that is `number` in units.
#[must_use]
pub fn last_of(number: u64, unit: u64) -> u64 {
    number.saturating_add(1).saturating_mul(unit).saturating_sub(1)
}

/// Values below 64 have a bucket each.
fn bucket(value: u64) -> u16 {
    let Some(power) = value.checked_ilog2().filter(|&power| power >= STEPS.ilog2()) else {
        return value as u16;
    };
    let shift = power - STEPS.ilog2();
    ((shift + 1) * STEPS + ((value >> shift) as u32 - STEPS)) as u16
}

/// The least and the greatest value of a bucket.
fn bounds(number: u16) -> (u64, u64) {
    let number = u32::from(number);
    if number < STEPS {
        return (number.into(), number.into());
    }
    let shift = number / STEPS - 1;
    let low = u64::from(number % STEPS + STEPS) << shift;
    (low, low + ((1 << shift) - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_one_has_nothing() {
        let empty = Distribution::new(1);
        assert_eq!((empty.count(), empty.sum(), empty.mean(), empty.max(), empty.quantile(50)), (0, 0, 0, 0, 0));
        assert!(empty.histogram().is_empty());
    }

    #[test]
    fn powers_of_two_go_from_the_first_to_the_last() {
        let mut distribution = Distribution::new(1);
        [0, 1, 5, 30].into_iter().for_each(|value| distribution.add(value));
        assert_eq!(distribution.histogram(), [(0, 1, 2), (2, 3, 0), (4, 7, 1), (8, 15, 0), (16, 31, 1)]);
    }

    #[test]
    fn a_histogram_counts_in_its_unit() {
        let mut distribution = Distribution::new(1000);
        [999, 1_023_999, 1_024_000].into_iter().for_each(|value| distribution.add(value));
        let histogram = distribution.histogram();
        assert_eq!(histogram.first(), Some(&(0, 1, 1)));
        assert_eq!(histogram[histogram.len() - 2..], [(512, 1023, 1), (1024, 2047, 1)]);
    }

    #[test]
    fn of_powers_of_two_quantiles_are_ranges() {
        let powers = Distribution::of_powers(1000, &[1, 0, 2, 1], 22);
        assert_eq!(powers.histogram(), [(0, 1, 1), (2, 3, 0), (4, 7, 2), (8, 15, 1)]);
        assert_eq!((powers.count(), powers.sum(), powers.mean()), (4, 22_000, 5_500));
        assert_eq!(powers.quantile_range(1), (0, 1_999));
        assert_eq!(powers.quantile_range(50), (4_000, 7_999));
        assert_eq!(powers.quantile_range(100), (8_000, 15_999));
    }

    #[test]
    fn the_greatest_value_has_a_bucket() {
        let (low, high) = bounds(bucket(u64::MAX));
        assert!(low < high && high == u64::MAX);
        let mut distribution = Distribution::new(1);
        distribution.add(u64::MAX);
        assert_eq!(distribution.histogram(), [(1 << 63, u64::MAX, 1)]);
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_values(value: u64, bits in 0..64) {
            let value = value >> bits;
            let (low, high) = bounds(bucket(value));
            prop_assert!(low <= value && value <= high);
            prop_assert!((high - low) as f64 <= value as f64 / 64.0);
        }

        #[test]
        fn quantiles_are_within_one_percent(values in prop::collection::vec(1u64..1 << 40, 1..300), share in 1u64..=100) {
            let mut distribution = Distribution::new(1);
            values.iter().for_each(|&value| distribution.add(value));
            let mut sorted = values;
            sorted.sort_unstable();
            let exact = sorted[(sorted.len() as u64 * share).div_ceil(100).max(1) as usize - 1];
            let got = distribution.quantile(share);
            prop_assert!(got.abs_diff(exact) as f64 <= exact as f64 / 100.0, "{got} for {exact}");
        }
    }
}
