//! tcprtt: the round-trip times of connections, as histograms.

mod manual;

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Parser;
use clap::ValueEnum;
use libbpf_rs::OpenObject;

use super::Manual;
use super::Tool;
use crate::args::Common;
use crate::args::parse_ports;
use crate::backends::Form;
use crate::backends::Lacks;
use crate::event::Plain;
use crate::fields;
use crate::fields::Field;
use crate::fields::Kind;
use crate::groups::Question;
use crate::maps;
use crate::output::Value;

#[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tcprtt.rs"));
}
pub use generated::types;

/// Show the round-trip times of TCP connections as histograms
#[derive(Debug, Parser)]
pub struct TcpRtt {
    #[command(flatten)]
    common: Common,

    /// Show only connections with one of these ports, local or remote
    #[arg(short = 'P', long = "port", value_name = "PORT|LOW-HIGH", value_delimiter = ',', value_parser = parse_ports)]
    ports: Vec<RangeInclusive<u16>>,

    /// One histogram for each local address, as --by laddr
    #[arg(short = 'b', long)]
    byladdr: bool,

    /// One histogram for each remote address, as --by raddr
    #[arg(short = 'B', long)]
    byraddr: bool,

    /// Count in milliseconds
    #[arg(short = 'm', long)]
    milliseconds: bool,

    /// Which round-trip time to take for each segment
    #[arg(long, value_name = "WHICH", default_value = "srtt")]
    sample: Sample,
}

/// What is sampled; the number is for the kernel side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[repr(u8)]
enum Sample {
    /// The smoothed time, by which the kernel sets its timers
    Srtt,
    /// Each time that was measured
    Rtt,
    /// The least of the last five minutes
    Min,
}

impl TcpRtt {
    fn by(&self) -> Vec<String> {
        let mut by = self.common.counting.by.clone();
        by.extend([(self.byladdr, "laddr"), (self.byraddr, "raddr")].iter().filter(|by| by.0).map(|by| by.1.to_owned()));
        by
    }
}

impl Tool for TcpRtt {
    const OBJECT: &'static [u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tcprtt.bpf.o"));
    const NAME: &'static str = "tcprtt";
    const MANUAL: Manual = manual::MANUAL;
    const FIELDS: &'static [Field] = FIELDS;
    const COUNTED: (&'static [&'static str], &'static str) = (&[], "SEGMENTS");
    type Event = types::group;

    fn common(&self) -> &Common {
        &self.common
    }

    fn ports(&self) -> &[RangeInclusive<u16>] {
        &self.ports
    }

    fn loads(&self, form: Form, _lacks: Lacks<'_>, section: &str) -> bool {
        form.is_made_of(section) && section.ends_with("/tcp_ack_update_rtt") == (self.sample == Sample::Rtt)
    }

    fn configure(&self, _form: Form, _lacks: Lacks<'_>, object: &mut OpenObject) -> libbpf_rs::Result<()> {
        let by = self.by();
        let has = |key: &str| u8::from(by.iter().any(|by| by == key));
        let mode = [
            self.sample as u8,
            u8::from(self.milliseconds),
            u8::from(!by.is_empty() || self.common.filter(&self.ports, &[]) != crate::filter::Filter::default()),
            u8::from(!by.is_empty()),
            has("laddr"),
            has("lport"),
            has("raddr"),
            has("rport"),
            has("ip"),
            has("cgroup_id"),
            has("uid"),
        ];
        maps::set_constant(object, ".rodata.mode", &mode)?;
        if !by.is_empty() {
            let most = self.common.counting.max_groups.unwrap_or(crate::options::counting::MAX_GROUPS);
            maps::set_size(object, "groups_a", most)?;
            maps::set_size(object, "groups_b", most)?;
        }
        Ok(())
    }

    fn question(&self) -> Result<Option<Question>, String> {
        let fields: Vec<Field> = fields::IDENTITY.iter().chain(FIELDS).copied().collect();
        let by = self.by();
        let mut question = Question::of(&self.common.counting, &fields, &["laddr"])?;
        question.by = if by.is_empty() { vec![] } else { fields::select(&fields, &[], &by)? };
        question.hist = fields.iter().copied().find(|field| field.key == "srtt_ns");
        Ok(Some(question))
    }

    fn interval(&self) -> Option<Duration> {
        self.common.counting.interval
    }

    fn counts_in(&self) -> Option<u64> {
        Some(if self.milliseconds { 1_000_000 } else { 1000 })
    }

    fn table(&self) -> Vec<&'static str> {
        vec!["laddr"]
    }
}

// SAFETY: integers and arrays of them.
unsafe impl Plain for types::group {}

const FIELDS: &[Field] = &[
    Field::new("laddr", "LADDR", 16, Kind::Address, fields::local_address, "Local address."),
    Field::new("lport", "LPORT", 5, Kind::Id, fields::local_port, "Local port."),
    Field::new("raddr", "RADDR", 16, Kind::Address, fields::remote_address, "Address of the other side."),
    Field::new("rport", "RPORT", 5, Kind::Id, fields::remote_port, "Port of the other side."),
    Field::new("srtt_ns", "SRTT", 9, Kind::Span, |_| Value::Unknown, "The smoothed round-trip time."),
];
