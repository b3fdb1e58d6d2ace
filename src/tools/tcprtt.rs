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
use crate::kernel::event;
use crate::kernel::samples;
use crate::kernel::samples::Groups;
use crate::kernel::types::histogram;
use crate::options::Buffer;
use crate::options::Counting;
use crate::options::Ends;
use crate::options::Grouping;
use crate::options::Intervals;
use crate::options::Net;
use crate::options::Output;
use crate::options::Run;
use crate::options::Ticks;
use crate::options::Writing;
use crate::options::filter::EndsFilter;
use crate::options::filter::Filter;
use crate::options::filter::Side;
use crate::options::parse_net;
use crate::options::parse_ports;
use crate::output::Distribution;
use crate::output::Value;
use crate::tool::Manual;
use crate::tool::Sample;
use crate::tool::Tool;

#[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks)]
pub mod types {
    include!(concat!(env!("OUT_DIR"), "/tcprtt.rs"));
}

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

    /// Show only connections with one of these ports at either end
    #[arg(short = 'P', long = "port", value_name = "PORT|LOW-HIGH", value_delimiter = ',', value_parser = parse_ports, conflicts_with_all = ["lport", "rport", "not_ports"])]
    ports: Vec<RangeInclusive<u16>>,

    /// Show only connections with these local ports
    #[arg(short = 'L', long, visible_alias = "localport", value_name = "PORT|LOW-HIGH", value_delimiter = ',', value_parser = parse_ports)]
    lport: Vec<RangeInclusive<u16>>,

    /// Show only connections with these remote ports
    #[arg(short = 'D', long, visible_alias = "remoteport", value_name = "PORT|LOW-HIGH", value_delimiter = ',', value_parser = parse_ports)]
    rport: Vec<RangeInclusive<u16>>,

    /// Show only connections from local addresses in these nets
    ///
    /// A net is 10.0.0.0/8, 2001:db8::/32 or an address. IPv4-mapped IPv6 addresses are IPv4.
    #[arg(short = 'a', long, value_name = "CIDR", value_delimiter = ',', value_parser = parse_net)]
    laddr: Vec<Net>,

    /// Show only connections to addresses in these nets
    #[arg(short = 'A', long, value_name = "CIDR", value_delimiter = ',', value_parser = parse_net)]
    raddr: Vec<Net>,

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

    /// bcc's option for the mean, which is always printed
    #[arg(short = 'e', long = "extension", hide = true)]
    _extension: bool,

    /// Elsewhere a process, in bcc's tcprtt a local port
    #[arg(short = 'p', long = "pid", hide = true, value_parser = no_process)]
    _pid: Option<String>,

    /// Print the time above histograms, also where they are printed once
    #[arg(short = 'T', long)]
    time: bool,

    /// What these options come to.
    #[arg(skip)]
    output: OnceCell<Output>,

    #[arg(skip)]
    groups: RefCell<Groups>,
}

impl TcpRtt {
    fn is_grouped(&self) -> bool {
        !self.output().counting.grouping.by.is_empty()
    }

    fn is_by(&self, key: &str) -> bool {
        self.output().counting.grouping.by.iter().any(|by| by == key)
    }
}

fn no_process(_: &str) -> Result<String, &'static str> {
    Err("whose process a segment is for is not known; -L filters by local port, --by uid or cgroup_id shows the owner")
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
    const PROBES: &'static [&'static [&'static str]] = &[&[], &["--by", "uid"]];
    const COUNTED: (&'static [&'static str], &'static str) = (&[], "SEGMENTS");
    type Event = types::event;

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

    fn buffer(&self) -> Option<&Buffer> {
        None
    }

    /// One that never ends has its time printed like others.
    fn ticks(&self) -> Ticks {
        let ticks = self.intervals.ticks(&self.grouping);
        Ticks { interval: ticks.interval.or(self.time.then_some(Duration::MAX)), ..ticks }
    }

    fn filter(&self) -> Filter<'_> {
        let not_ports = &self.ends.not_ports;
        let local = Side { ports: &self.lport, not_ports, nets: &self.laddr };
        let remote = Side { ports: &self.rport, not_ports, nets: &self.raddr };
        Filter { ends: Some(EndsFilter { local, remote, either: &self.ports, ..self.ends.filter() }), who: None }
    }

    fn can_be(&self, form: Form) -> Result<(), Refusal> {
        let asks = self.sample == Rtt::Least || ["uid", "cgroup_id", "netns"].iter().any(|key| self.is_by(key));
        if form.needs_btf() || !asks {
            return Ok(());
        }
        let cause = "without BTF only the smoothed time and the ends of a connection are known";
        Err(Refusal::new(cause, "leave out --sample least and --by uid, cgroup_id, netns"))
    }

    fn needs(&self, _form: Form, _lacks: Lacks<'_>) -> Needs {
        let mode = types::mode {
            sample: self.sample as u8,
            milliseconds: self.milliseconds.into(),
            selects: (self.is_grouped() || self.filter().ends.is_some_and(|ends| ends.is_on())).into(),
            grouped: self.is_grouped().into(),
            by_laddr: self.is_by("laddr").into(),
            by_lport: self.is_by("lport").into(),
            by_raddr: self.is_by("raddr").into(),
            by_rport: self.is_by("rport").into(),
            by_ip: self.is_by("ip").into(),
            by_netns: self.is_by("netns").into(),
        };
        let needs = Needs::default().constants(".rodata.mode", &mode);
        if !self.is_grouped() {
            return needs;
        }
        let size = |needs: Needs, map: &&'static str| needs.size(map, self.grouping.max_groups());
        samples::MAPS.iter().fold(needs.calls(samples::CALLS), size)
    }

    fn sample(
        &self,
        attached: &Attached,
        deadline: Instant,
        take: &mut dyn FnMut(Sample<'_, types::event>),
    ) -> io::Result<()> {
        let mut pass = |like: Option<types::event>, histogram: histogram| {
            let unit = if self.milliseconds { 1_000_000 } else { 1000 };
            let distribution = Distribution::of_powers(unit, &histogram.slots, histogram.sum);
            take(Sample::Group { like: like.as_ref(), count: histogram.count(), distribution });
        };
        if self.is_grouped() {
            let event = |types::group { ends, uid, cgroup_id }| {
                let caller = types::caller { uid, ..Default::default() };
                let origin = types::origin { cgroup_id, caller, ..Default::default() };
                types::event { origin, ends, ..Default::default() }
            };
            let take = |group, histogram| pass(Some(event(group)), histogram);
            self.groups.borrow_mut().take(&attached.object, deadline, take)?;
        }
        let common = samples::take_common(&attached.object).map_err(io::Error::other)?;
        if common.count() > 0 {
            pass(None, common);
        }
        Ok(())
    }

    fn table(&self) -> Vec<&'static str> {
        vec![RTT.key] // no rows are shown
    }
}

event::event!(types);
event::plain!(types::mode, types::group);

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
