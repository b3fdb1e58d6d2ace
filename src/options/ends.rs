//! Which connections are shown, by their ends.

use std::ops::RangeInclusive;

use clap::Args;
use clap::builder::OsStringValueParser;
use clap::builder::TypedValueParser;

use super::filter::EndsFilter;
use super::filter::Ip;
use super::namespaces::parse_netns;

/// Which connections to show, by what every tool calls alike. Ports and addresses are the tool's own, because they mean
/// other ends in other tools.
#[derive(Debug, Args)]
pub struct Ends {
    /// Show only IPv4
    ///
    /// IPv4-mapped IPv6 addresses are IPv4.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,

    /// Show only IPv6
    #[arg(short = '6', long)]
    ipv6: bool,

    /// Leave out these ports, of the same end as those of -P
    #[arg(long = "not-port", value_name = "PORT|LOW-HIGH", value_delimiter = ',', value_parser = parse_ports)]
    pub not_ports: Vec<RangeInclusive<u16>>,

    /// Show only sockets of this network namespace
    ///
    /// Give a path such as /proc/PID/ns/net or /run/netns/NAME, or the inode number of the namespace. For several namespaces,
    /// give the option several times. This needs BTF.
    #[arg(long = "netns", value_name = "PATH|INODE", value_parser = OsStringValueParser::new().try_map(parse_netns))]
    netnses: Vec<u32>,
}

impl Ends {
    /// The filter of these options, to which the tool adds what it calls its two ends.
    #[must_use]
    pub fn filter(&self) -> EndsFilter<'_> {
        let ip = match (self.ipv4, self.ipv6) {
            (true, _) => Some(Ip::V4),
            (_, true) => Some(Ip::V6),
            _ => None,
        };
        EndsFilter { ip, netnses: &self.netnses, ..EndsFilter::default() }
    }
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

    proptest! {
        #[test]
        fn no_value_panics(text: String) {
            let _ = parse_ports(&text);
        }
    }
}
