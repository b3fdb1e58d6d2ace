//! What all tools' command lines share, and the forms of values on them.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use clap::ArgAction;
use clap::Args;
use clap::ValueEnum;
use clap::builder::OsStringValueParser;
use clap::builder::PossibleValue;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;

use crate::backends::Backend;
use crate::fields;
use crate::fields::Field;
use crate::filter::Filter;
use crate::filter::Ip;
use crate::filter::Show;
use crate::options::counting::Counting;
use crate::options::question::Question;
use crate::output::Format;

/// Options that mean the same in every tool.
#[derive(Debug, Args)]
pub struct Common {
    /// Show only these process IDs
    ///
    /// A PID is what the tool's own PID namespace calls the process.
    #[arg(short, long = "pid", value_name = "PID", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1 << 22))]
    pids: Vec<u32>,

    /// Show only processes of these users
    ///
    /// A user is a number, or a name from /etc/passwd (no other user database is asked). The real
    /// UID counts.
    #[arg(short, long = "uid", value_name = "UID", value_delimiter = ',', value_parser = OsStringValueParser::new().try_map(parse_uid))]
    uids: Vec<u32>,

    /// Show only IPv4
    ///
    /// IPv4-mapped IPv6 addresses are IPv4.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,

    /// Show only IPv6
    #[arg(short = '6', long)]
    ipv6: bool,

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
    /// `+FIELD` adds a field to those that are shown otherwise, `-FIELD` takes one away. `list` prints all fields
    /// and what they mean, and ends.
    #[arg(long, value_name = "FIELD", value_delimiter = ',', allow_hyphen_values = true)]
    pub fields: Vec<String>,

    /// How to write rows
    #[arg(long, value_name = "FORMAT", default_value = "table", overrides_with_all = ["json", "format"])]
    format: Format,

    /// Print one JSON object a line, as `--format json` does
    #[arg(long, overrides_with_all = ["json", "format"])]
    json: bool,

    /// Leave the header out
    #[arg(long)]
    pub no_header: bool,

    #[command(flatten)]
    pub counting: Counting,

    /// Stop after N rows
    ///
    /// What then is still under way is not printed, only counted.
    #[arg(short = 'n', long, value_name = "N")]
    pub max_events: Option<NonZeroU64>,

    /// Stop after this many seconds, which may have decimals
    #[arg(long, value_name = "SECS", value_parser = parse_duration)]
    pub duration: Option<Duration>,

    /// How to see events in the kernel
    ///
    /// auto takes the first of fentry, kprobe and tracepoint that can be loaded and attached.
    /// `bpftools check` tells what works here.
    #[arg(long, value_name = "BACKEND", default_value = "auto", value_parser = backend_parser())]
    pub backend: Chosen,

    /// Room for rows that are not printed yet, in bytes, K or M
    ///
    /// Rounded up to a power of two.
    #[arg(long, value_name = "SIZE", default_value = "2M", value_parser = parse_buffer_size)]
    pub buffer_size: u32,

    /// Say on stderr which backend is used, and why others are not; twice: libbpf's log too
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

impl Common {
    #[must_use]
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }

    /// The fields that rows show, of those that all tools have and of the tool's `own`; `table` are the keys
    /// that its table shows by default, beside those for which there are options.
    ///
    /// # Errors
    /// `--fields` names one that there is not, or leaves none.
    pub fn shown(&self, own: &[Field], table: &[&'static str]) -> Result<Vec<Field>, String> {
        let all: Vec<Field> = fields::IDENTITY.iter().chain(own).copied().collect();
        let default: Vec<_> = match self.format() {
            Format::Json => all.iter().filter(|field| field.in_json).map(|field| field.key).collect(),
            Format::Table | Format::Csv => {
                let asked = [(self.time, "ts"), (self.timestamp, "elapsed_ns"), (self.print_uid, "uid")];
                asked.iter().filter(|(shown, _)| *shown).map(|&(_, key)| key).chain(table.iter().copied()).collect()
            }
        };
        fields::select(&all, &default, &self.fields)
    }

    /// What is to be counted, where rows are counted and not shown, of a tool whose `own` fields these are and that
    /// counts `by` these by default.
    ///
    /// # Errors
    /// The options contradict each other, or name a field that there is not.
    pub fn question(&self, own: &[Field], by: &[&str]) -> Result<Option<Question>, String> {
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
        let all: Vec<Field> = fields::IDENTITY.iter().chain(own).copied().collect();
        Question::of(&self.counting, &all, by).map(Some)
    }

    /// The filter of these options and the tool's own `ports`, for rows with these fields.
    #[must_use]
    pub fn filter(&self, ports: &[RangeInclusive<u16>], shown: &[Field]) -> Filter {
        Filter {
            ports: ports.to_vec(),
            pids: self.pids.clone(),
            uids: self.uids.clone(),
            ip: match (self.ipv4, self.ipv6) {
                (true, _) => Some(Ip::V4),
                (_, true) => Some(Ip::V6),
                _ => None,
            },
            show: shown.iter().map(|field| field.gather).fold(Show::NOTHING, Show::and),
        }
    }
}

/// `--backend`: `None` is auto.
pub type Chosen = Option<Backend>;

fn backend_parser() -> impl TypedValueParser<Value = Chosen> {
    let backends = Backend::ALL.iter().filter_map(ValueEnum::to_possible_value);
    PossibleValuesParser::new([PossibleValue::new("auto")].into_iter().chain(backends))
        .map(|name| Backend::from_str(&name, false).ok()) // auto is none of them
}

/// `PORT` or `LOW-HIGH`.
pub fn parse_ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let port = |text: &str| text.parse::<u16>().map_err(|_| format!("`{text}` is no port (0 to 65535)"));
    match text.split_once('-') {
        None => port(text).map(|port| port..=port),
        Some((low, high)) => {
            let range = port(low)?..=port(high)?;
            if range.is_empty() { Err(format!("{low} is above {high}")) } else { Ok(range) }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "clap passes it so")]
fn parse_uid(user: OsString) -> Result<u32, String> {
    if let Some(uid) = user.to_str().and_then(|text| text.parse().ok()) {
        return Ok(uid);
    }
    let passwd = fs::read("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    uid_of(&user, &passwd).ok_or_else(|| format!("/etc/passwd knows no user `{}`; give the number", user.display()))
}

/// The number of a user that /etc/passwd names. In bytes: nothing says how the file is encoded.
#[must_use]
pub fn uid_of(name: &OsStr, passwd: &[u8]) -> Option<u32> {
    passwd.split(|&byte| byte == b'\n').find_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        (fields.next() == Some(name.as_bytes())).then(|| str::from_utf8(fields.nth(1)?).ok()?.parse().ok())?
    })
}

pub fn parse_duration(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "must be a number of seconds above 0".into())
}

/// Bytes, `K` or `M`, rounded up to a power of two from a page on.
fn parse_buffer_size(text: &str) -> Result<u32, String> {
    const PAGE: u64 = 4096; // the kernel rounds no further on x86; larger pages are checked at load
    const LARGEST: u64 = 1 << 30;
    let (number, unit) = match text.char_indices().last() {
        Some((end, 'k' | 'K')) => (&text[..end], 1 << 10),
        Some((end, 'm' | 'M')) => (&text[..end], 1 << 20),
        _ => (text, 1),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|bytes| (1..=LARGEST).contains(bytes))
        .map(|bytes| bytes.next_power_of_two().max(PAGE) as u32)
        .ok_or_else(|| "must be a size such as 512K or 4M, up to 1024M".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ports() {
        assert_eq!(parse_ports("80"), Ok(80..=80));
        assert_eq!(parse_ports("1-1024"), Ok(1..=1024));
        for bad in ["", "-1", "80-", "-", "65536", "9-8", "http", "80,81"] {
            assert!(parse_ports(bad).is_err(), "{bad}");
        }
    }

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
        for bad in ["0", "", "M", "-1", "1.5M", "1025M", "99999999999999999999", "1G"] {
            assert!(parse_buffer_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn users_come_from_passwd() {
        let passwd =
            b"root:x:0:0:root:/root:/bin/sh\nlatin:x:1000:1000:Ren\xe9:/:/bin/sh\nm\xfcller:x:1001:1001::/:/bin/sh\n\
            nobody:x:65534:65534::/:/bin/false\nbroken\n";
        let uid = |name: &[u8]| uid_of(OsStr::from_bytes(name), passwd);
        assert_eq!(uid(b"nobody"), Some(65534)); // a comment before it is not UTF-8
        assert_eq!(uid(b"m\xfcller"), Some(1001));
        assert_eq!(uid(b"nobod"), None);
        assert_eq!(uid(b"broken"), None);
        assert_eq!(uid(b""), None);
    }

    proptest! {
        #[test]
        fn no_value_panics(text: String) {
            let _ = (parse_ports(&text), parse_duration(&text), parse_buffer_size(&text));
        }
    }
}
