//! Histograms for people, as bcc prints them.

use std::io::Write;

/// The longest bar.
const BAR: u64 = 40;

/// Appends the buckets (least value, greatest value, count) with a bar each; `scale` is what values are
/// called. 78 columns wide where values have up to ten digits.
pub fn histogram(scale: &str, buckets: &[(u64, u64, u64)], out: &mut Vec<u8>) {
    let most = buckets.iter().map(|&(_, _, count)| count).max().unwrap_or(0).max(1);
    // A Vec takes all that is written to it.
    let _ = writeln!(out, "{scale:>10}               : count    distribution");
    for &(low, high, count) in buckets {
        // Rounded up: what is there is seen.
        let bar = (u128::from(count) * u128::from(BAR)).div_ceil(u128::from(most)) as usize;
        let _ = writeln!(out, "{low:>10} -> {high:<10} : {count:<8} |{:<40}|", "*".repeat(bar));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_like_bccs() {
        let mut out = Vec::new();
        histogram("usecs", &[(0, 1, 2), (2, 3, 0), (4, 7, 80)], &mut out);
        let expected = "\
\x20    usecs               : count    distribution
         0 -> 1          : 2        |*                                       |
         2 -> 3          : 0        |                                        |
         4 -> 7          : 80       |****************************************|
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
