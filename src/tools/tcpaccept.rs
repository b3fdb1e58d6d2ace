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
use crate::kernel::event::Plain;
use crate::options::Ends;
use crate::options::Output;
use crate::options::Run;
use crate::options::Who;
use crate::options::filter::Filter;
use crate::options::parse_ports;
use crate::output::Value;
use crate::tool::Manual;
use crate::tool::Tool;

#[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tcpaccept.rs"));
}
pub use generated::types;

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

    /// Show only connections to these local ports
    #[arg(short = 'P', long = "port", value_name = "PORT|LOW-HIGH", value_delimiter = ',', value_parser = parse_ports)]
    ports: Vec<RangeInclusive<u16>>,

    /// Add the column BL: the queue of the listening socket
    ///
    /// How many connections still wait in it to be accepted, and how many may.
    #[arg(long)]
    backlog: bool,
}

/// How many threads can be inside an accept call at once, where its queue is noted in a map.
const MAX_CALLS: u32 = 16384;

/// The function that every accepted connection comes by after it was taken off its queue. Not every
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

    fn filter(&self) -> Filter<'_> {
        Filter { who: Some(&self.who), ports: &self.ports, ..self.ends.filter() }
    }

    const OPTIONAL: &'static [Optional] = &[Optional { function: GRAFT, spare: || Ok(()) }];

    fn needs(&self, form: Form, lacks: Lacks<'_>) -> Needs {
        let lacks_graft = lacks.contains(&GRAFT);
        // struct mode of bpf/tcpaccept.bpf.c, in its order
        let by_graft = form.backend() != Backend::Tracepoint && !lacks_graft;
        let mut needs = Needs::default()
            .program(Section::Kretprobe("inet_csk_accept"), lacks_graft)
            .program(Section::Kprobe("inet_csk_accept"), self.backlog)
            .constants(".rodata.mode", &[u8::from(self.backlog), u8::from(by_graft)]);
        // Which socket a call returned is only found by the kernel's types.
        let has_types = form.needs_btf();
        for (enter, exit) in CALLS {
            needs = needs
                .program(Section::Tracepoint("syscalls", enter), has_types && self.backlog)
                .program(Section::Tracepoint("syscalls", exit), has_types);
        }
        if self.backlog { needs.size("calls", MAX_CALLS) } else { needs }
    }

    fn table(&self) -> Vec<&'static str> {
        let mut keys = vec!["pid", "comm", "ip", "raddr", "rport", "laddr", "lport"];
        if self.backlog {
            keys.push("backlog");
        }
        keys
    }
}

// SAFETY: integers and arrays of them.
unsafe impl Plain for types::event {}

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
        "Queue of the listening socket once this connection has left it: how many connections still wait in it to be accepted; \
         in the table with a slash and how many may (see listen(2)). Known with `--backlog`. Unknown of a thread that was \
         already waiting when tracing began, or that has waited while 16,384 other threads called accept.",
    ),
    Field::new(
        "backlog_max",
        "BLMAX",
        5,
        Kind::Count,
        limit,
        "How many connections may wait in that queue. Known with `--backlog`.",
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
