//! How a run is made.

use std::time::Duration;

use clap::ArgAction;
use clap::Args;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;

use crate::backends::Backend;

/// How to see what happens, and for how long.
#[derive(Debug, Args)]
pub struct Run {
    /// Stop after SECS seconds, a number that may have decimals
    #[arg(long, value_name = "SECS", value_parser = parse_duration)]
    pub duration: Option<Duration>,

    /// How to see events in the kernel
    ///
    /// auto takes the first of fentry, kprobe and tracepoint that can be loaded and attached.
    /// `bpftools check` shows what works here.
    #[arg(long, value_name = "BACKEND", default_value = "auto", value_parser = backend_parser())]
    pub backend: Wanted,

    /// Print on stderr which backend is used, and why others are not; with -vv also libbpf's log
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

/// The ring buffer that programs send rows through, for tools whose programs do.
#[derive(Debug, Args)]
pub struct Buffer {
    /// Room for rows that are not printed yet, in bytes, K, M or G
    ///
    /// The size is rounded up to a power of two. It can be 1G at most.
    #[arg(long, value_name = "SIZE", default_value = "2M", value_parser = parse_buffer_size)]
    pub buffer_size: u32,
}

/// `--backend`: `None` is auto.
pub type Wanted = Option<Backend>;

fn backend_parser() -> impl TypedValueParser<Value = Wanted> {
    let backends = Backend::ALL.iter().filter_map(ValueEnum::to_possible_value);
    PossibleValuesParser::new([PossibleValue::new("auto")].into_iter().chain(backends))
        .map(|name| Backend::from_str(&name, false).ok()) // auto is none of them
}

pub fn parse_duration(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "must be a number of seconds above 0".into())
}

/// Bytes, `K`, `M` or `G`, rounded up to a power of two, at least a page.
fn parse_buffer_size(text: &str) -> Result<u32, String> {
    const PAGE: u64 = 4096; // the kernel rounds no further on x86; larger pages are checked at load
    const LARGEST: u64 = 1 << 30;
    let (number, unit) = match text.char_indices().last() {
        Some((end, 'k' | 'K')) => (&text[..end], 1 << 10),
        Some((end, 'm' | 'M')) => (&text[..end], 1 << 20),
        Some((end, 'g' | 'G')) => (&text[..end], 1 << 30),
        _ => (text, 1),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|bytes| (1..=LARGEST).contains(bytes))
        .map(|bytes| bytes.next_power_of_two().max(PAGE) as u32)
        .ok_or_else(|| "must be a size such as 512K or 4M, up to 1G".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("0.25"), Ok(Duration::from_millis(250)));
        for bad in ["0", "-1", "nan", "inf", "1e30", "", "1s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn buffer_sizes_round_up() {
        assert_eq!(parse_buffer_size("1"), Ok(4096));
        assert_eq!(parse_buffer_size("5000"), Ok(8192));
        assert_eq!(parse_buffer_size("512k"), Ok(512 << 10));
        assert_eq!(parse_buffer_size("3M"), Ok(4 << 20));
        assert_eq!(parse_buffer_size("1G"), Ok(1 << 30));
        for bad in ["0", "", "M", "-1", "1.5M", "1025M", "99999999999999999999", "2G"] {
            assert!(parse_buffer_size(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(text: String) {
            let _ = (parse_duration(&text), parse_buffer_size(&text));
        }
    }
}
