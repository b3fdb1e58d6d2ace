//! tcprtt: the round-trip times of connections, as histograms.

mod manual;

use std::cell::OnceCell;
use std::cell::RefCell;
use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;
use std::time::Instant;

use clap::Parser;
use clap::ValueEnum;

use crate::backends::Attached;
use crate::backends::Form;
use crate::backends::Lacks;
use crate::backends::Needs;
use crate::backends::Refusal;
use crate::fields;
use crate::fields::Field;
use crate::fields::Kind;
use crate::kernel::event::Plain;
use crate::kernel::samples;
use crate::kernel::samples::Samples;
use crate::options::Counting;
use crate::options::Ends;
use crate::options::Grouping;
use crate::options::Intervals;
use crate::options::Output;
use crate::options::Run;
use crate::options::Ticks;
use crate::options::Writing;
use crate::options::filter::Filter;
use crate::options::parse_ports;
use crate::output::Distribution;
use crate::output::Value;
use crate::tool::Manual;
use crate::tool::Sample;
use crate::tool::Tool;

#[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tcprtt.rs"));
}
pub use generated::types;

/// Show the round-trip times of TCP connections as histograms
#[derive(Debug, Parser)]
#[command(mut_arg("duration", |duration| duration.short('d')))]
pub struct TcpRtt {
    #[command(flatten)]
    ends: Ends,

    #[command(flatten)]
    grouping: Grouping,

    #[command(flatten)]
    intervals: Intervals,

    #[command(flatten)]
    writing: Writing,

    #[command(flatten)]
    run: Run,

    /// Show only connections with one of these ports, local or remote
    #[arg(short = 'P', long = "port", value_name = "PORT|LOW-HIGH", value_delimiter = ',', value_parser = parse_ports)]
    ports: Vec<RangeInclusive<u16>>,

    /// A histogram for each local address, as --by laddr
    #[arg(short = 'b', long)]
    byladdr: bool,

    /// A histogram for each remote address, as --by raddr
    #[arg(short = 'B', long)]
    byraddr: bool,

    /// Count in milliseconds, not in microseconds
    #[arg(short, long)]
    milliseconds: bool,

    /// Which round-trip time to count for each segment
    #[arg(long, value_name = "WHICH", default_value = "smoothed")]
    sample: Rtt,

    /// Print the time above histograms, also where they are printed once
    #[arg(short = 'T', long)]
    time: bool,

    /// What these options come to.
    #[arg(skip)]
    output: OnceCell<Output>,

    #[arg(skip)]
    samples: RefCell<Samples>,
}

/// What is counted; the number is for the kernel side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rtt {
    /// The smoothed time, on which the kernel bases its timers
    Smoothed,
    /// The least that was measured in the last five minutes or so
    Least,
}

impl Tool for TcpRtt {
    const OBJECT: &'static [u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tcprtt.bpf.o"));
    const NAME: &'static str = "tcprtt";
    const MANUAL: Manual = manual::MANUAL;
    const WITHOUT: &'static [&'static str] = &["elapsed_ns", "pid", "tid", "comm"];
    const FIELDS: &'static [Field] = FIELDS;
    const COUNTED: (&'static [&'static str], &'static str) = (&[], "SEGMENTS");
    const SENDS: bool = false;
    type Event = types::group;

    fn output(&self) -> &Output {
        self.output.get_or_init(|| {
            let mut grouping = self.grouping.clone();
            let by = [(self.byladdr, "laddr"), (self.byraddr, "raddr")];
            grouping.by.extend(by.iter().filter(|(asked, _)| *asked).map(|(_, key)| (*key).to_owned()));
            let counting = Counting { grouping, hist: Some(RTT.key.to_owned()), ..Counting::default() };
            Output { writing: self.writing.clone(), counting, ..Output::default() }
        })
    }

    fn run(&self) -> &Run {
        &self.run
    }

    /// One that never ends has its time printed like others.
    fn ticks(&self) -> Ticks {
        let ticks = self.intervals.ticks(&self.grouping);
        Ticks { interval: ticks.interval.or(self.time.then_some(Duration::MAX)), ..ticks }
    }

    fn filter(&self) -> Filter<'_> {
        Filter { ports: &self.ports, ..self.ends.filter() }
    }

    fn can_be(&self, form: Form) -> Result<(), Refusal> {
        let by = &self.output().counting.grouping.by;
        let of_socket = self.sample == Rtt::Least || by.iter().any(|key| key == "uid" || key == "cgroup_id");
        if form.needs_btf() || !of_socket {
            return Ok(());
        }
        Err(Refusal::new(
            "without BTF only the smoothed time and the ends of a connection are known",
            "leave out --sample least and --by uid, cgroup_id",
        ))
    }

    fn needs(&self, _form: Form, _lacks: Lacks<'_>) -> Needs {
        let by = &self.output().counting.grouping.by;
        let is_by = |key: &str| u8::from(by.iter().any(|by| by == key));
        let filter = self.filter();
        let mode = types::mode {
            sample: self.sample as u8,
            milliseconds: self.milliseconds.into(),
            selects: (!by.is_empty() || filter.ip.is_some() || !filter.ports.is_empty()).into(),
            grouped: (!by.is_empty()).into(),
            by_laddr: is_by("laddr"),
            by_lport: is_by("lport"),
            by_raddr: is_by("raddr"),
            by_rport: is_by("rport"),
            by_ip: is_by("ip"),
            by_cgroup: is_by("cgroup_id"),
            by_uid: is_by("uid"),
        };
        let most = if by.is_empty() { 1 } else { self.grouping.max_groups() };
        let needs = Needs::default().constants(".rodata.mode", &mode).calls(samples::CALLS);
        samples::MAPS.iter().fold(needs, |needs, map| needs.size(map, most))
    }

    fn sample(
        &self,
        attached: &Attached,
        deadline: Instant,
        take: &mut dyn FnMut(Sample<'_, types::group>),
    ) -> io::Result<()> {
        let unit = if self.milliseconds { 1_000_000 } else { 1000 };
        self.samples.borrow_mut().take(&attached.object, deadline, |like, histogram| {
            let distribution = Distribution::of_powers(unit, &histogram.slots, histogram.sum);
            take(Sample::Group { like, count: histogram.count(), distribution });
        })
    }

    fn table(&self) -> Vec<&'static str> {
        vec![RTT.key] // no rows are shown
    }
}

// SAFETY: integers and arrays of them.
unsafe impl Plain for types::group {}
// SAFETY: integers.
unsafe impl Plain for types::mode {}

const FIELDS: &[Field] = &[
    Field::new("laddr", "LADDR", 16, Kind::Address, fields::local_address, "Local address."),
    Field::new("lport", "LPORT", 5, Kind::Id, fields::local_port, "Local port."),
    Field::new("raddr", "RADDR", 16, Kind::Address, fields::remote_address, "Address of the other side."),
    Field::new("rport", "RPORT", 5, Kind::Id, fields::remote_port, "Port of the other side."),
    RTT,
];

/// A group has no value of it.
const RTT: Field =
    Field::new("rtt_ns", "RTT", 9, Kind::Span, |_| Value::Unknown, "Round-trip time, of which histograms are.");
