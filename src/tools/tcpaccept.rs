//! tcpaccept: accepted (passive) TCP connections.

mod manual;

use std::ops::RangeInclusive;

use clap::Parser;

use crate::backends::Backend;
use crate::backends::Form;
use crate::backends::Lacks;
use crate::backends::Needs;
use crate::backends::Optional;
use crate::backends::Section;
use crate::fields;
use crate::fields::Field;
use crate::fields::Kind;
use crate::fields::Row;
use crate::kernel::event;
use crate::options::Buffer;
use crate::options::Ends;
use crate::options::Net;
use crate::options::Output;
use crate::options::Run;
use crate::options::Who;
use crate::options::filter::EndsFilter;
use crate::options::filter::Filter;
use crate::options::filter::Side;
use crate::options::parse_net;
use crate::options::parse_ports;
use crate::output::Value;
use crate::tool::Manual;
use crate::tool::Tool;

#[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks)]
pub mod types {
    include!(concat!(env!("OUT_DIR"), "/tcpaccept.rs"));
}

/// Trace accepted (passive) TCP connections
#[derive(Debug, Parser)]
pub struct TcpAccept {
    #[command(flatten)]
    who: Who,

    #[command(flatten)]
    ends: Ends,

    #[command(flatten)]
    output: Output,

    #[command(flatten)]
    run: Run,

    #[command(flatten)]
    buffer: Buffer,

    /// Show only connections to these local ports
    #[arg(short = 'P', long = "port", value_name = "PORT|LOW-HIGH", value_delimiter = ',', value_parser = parse_ports)]
    ports: Vec<RangeInclusive<u16>>,

    /// Show only connections from addresses in these nets
    ///
    /// A net is written as 10.0.0.0/8 or 2001:db8::/32; an address is a net, too. IPv4-mapped IPv6 addresses are IPv4.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = parse_net)]
    raddr: Vec<Net>,

    /// Show only connections to local addresses in these nets
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = parse_net)]
    laddr: Vec<Net>,

    /// Add the column BL: the queue of the listening socket
    ///
    /// It shows how many connections still wait there to be accepted, and how many can.
    #[arg(long)]
    backlog: bool,
}

/// How many threads can be inside an accept call at once, where its queue is noted in a map.
const MAX_CALLS: u32 = 16384;

/// The function that the kernel calls for every accepted connection after it has taken it off its queue. Not every
/// kernel has it (CONFIG_SECURITY_NETWORK); the return of inet_csk_accept can stand in for it.
const GRAFT: &str = "security_sock_graft";

/// The system calls, by their tracepoints.
const CALLS: [(&str, &str); 2] = [("sys_enter_accept", "sys_exit_accept"), ("sys_enter_accept4", "sys_exit_accept4")];

impl Tool for TcpAccept {
    const OBJECT: &'static [u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tcpaccept.bpf.o"));
    const NAME: &'static str = "tcpaccept";
    const MANUAL: Manual = manual::MANUAL;
    const FIELDS: &'static [Field] = FIELDS;
    const COUNTED: (&'static [&'static str], &'static str) = (&["laddr", "lport", "raddr"], "ACCEPTS");
    type Event = types::event;

    fn output(&self) -> &Output {
        &self.output
    }

    fn run(&self) -> &Run {
        &self.run
    }

    fn buffer(&self) -> Option<&Buffer> {
        Some(&self.buffer)
    }

    fn filter(&self) -> Filter<'_> {
        let local = Side { ports: &self.ports, not_ports: &self.ends.not_ports, nets: &self.laddr };
        let remote = Side { nets: &self.raddr, ..Side::default() };
        Filter { who: Some(&self.who), ends: Some(EndsFilter { local, remote, ..self.ends.filter() }) }
    }

    const OPTIONAL: &'static [Optional] = &[Optional { function: GRAFT, spare: || Ok(()) }];

    fn needs(&self, form: Form, lacks: Lacks<'_>) -> Needs {
        let lacks_graft = lacks.contains(&GRAFT);
        let by_graft = form.backend() != Backend::Tracepoint && !lacks_graft;
        let mode = types::mode { backlog: self.backlog.into(), graft: by_graft.into() };
        let mut needs = Needs::default()
            .program(Section::Kretprobe("inet_csk_accept"), lacks_graft)
            .program(Section::Kprobe("inet_csk_accept"), self.backlog)
            .constants(".rodata.mode", &mode);
        // The socket of a descriptor can only be found with the kernel's types.
        let has_types = form.needs_btf();
        for (enter, exit) in CALLS {
            needs = needs
                .program(Section::Tracepoint("syscalls", enter), has_types && self.backlog)
                .program(Section::Tracepoint("syscalls", exit), has_types);
        }
        if self.backlog { needs.size("calls", MAX_CALLS) } else { needs }
    }

    fn missing_option(&self, key: &str) -> Option<&'static str> {
        (["backlog", "backlog_max"].contains(&key) && !self.backlog).then_some("--backlog")
    }

    fn table(&self) -> Vec<&'static str> {
        let mut keys = vec!["pid", "comm", "ip", "raddr", "rport", "laddr", "lport"];
        if self.backlog {
            keys.push("backlog");
        }
        keys
    }
}

event::event!(types);
event::plain!(types::mode);

const FIELDS: &[Field] = &[
    Field::new("raddr", "RADDR", 16, Kind::Address, fields::remote_address, "Address of the other side."),
    Field::new("rport", "RPORT", 5, Kind::Id, fields::remote_port, "Port of the other side."),
    Field::new(
        "laddr",
        "LADDR",
        16,
        Kind::Address,
        fields::local_address,
        "Local address, to which the other side connected.",
    ),
    Field::new("lport", "LPORT", 5, Kind::Id, fields::local_port, "Local port: that of the listening socket."),
    Field::new(
        "backlog",
        "BL",
        9,
        Kind::Count,
        backlog,
        "Queue of the listening socket after this connection has left it: how many connections still wait there to be \
         accepted. In the table a slash follows, and how many can wait (see listen(2)). Known with `--backlog`, unless \
         the thread was already waiting when tracing began, or has waited while 16,384 other threads called accept.",
    ),
    Field::new(
        "backlog_max",
        "BLMAX",
        5,
        Kind::Count,
        limit,
        "How many connections can wait in that queue. Known with `--backlog`.",
    ),
];

fn backlog<'a>(row: &Row<'a>) -> Value<'a> {
    match row.event::<types::event>() {
        types::event { backlog_known: 0, .. } => Value::Unknown,
        event => Value::Ratio(event.backlog.waiting, event.backlog.limit),
    }
}

fn limit<'a>(row: &Row<'a>) -> Value<'a> {
    match row.event::<types::event>() {
        types::event { backlog_known: 0, .. } => Value::Unknown,
        event => Value::Number(event.backlog.limit.into()),
    }
}
