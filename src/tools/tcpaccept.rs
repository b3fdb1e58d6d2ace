//! tcpaccept: accepted (passive) TCP connections.

mod manual;

use std::ops::RangeInclusive;

use clap::Parser;
use libbpf_rs::OpenObject;

use super::Manual;
use super::Tool;
use super::values;
use super::values::column;
use super::values::field;
use super::values::number_unless_zero;
use crate::args::Common;
use crate::args::parse_ports;
use crate::backends::Backend;
use crate::backends::Form;
use crate::backends::Lacks;
use crate::backends::Optional;
use crate::event::Event;
use crate::event::Plain;
use crate::maps;
use crate::output::Column;
use crate::output::Field;
use crate::output::Value;

#[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tcpaccept.rs"));
}
pub use generated::types;

/// Trace accepted (passive) TCP connections
#[derive(Debug, Parser)]
pub struct TcpAccept {
    #[command(flatten)]
    common: Common,

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

impl Tool for TcpAccept {
    const OBJECT: &'static [u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tcpaccept.bpf.o"));
    const NAME: &'static str = "tcpaccept";
    const MANUAL: Manual = manual::MANUAL;
    type Event = types::event;

    fn common(&self) -> &Common {
        &self.common
    }

    fn ports(&self) -> &[RangeInclusive<u16>] {
        &self.ports
    }

    const OPTIONAL: &'static [Optional] = &[Optional { function: GRAFT, spare: || Ok(()) }];

    fn loads(&self, form: Form, lacks: Lacks<'_>, section: &str) -> bool {
        form.needs_btf()
            && match section {
                "kretprobe/inet_csk_accept" => lacks.contains(&GRAFT),
                "kprobe/inet_csk_accept" => self.backlog,
                "tracepoint/syscalls/sys_enter_accept" | "tracepoint/syscalls/sys_enter_accept4" => self.backlog,
                _ => true,
            }
    }

    fn configure(&self, form: Form, lacks: Lacks<'_>, object: &mut OpenObject) -> libbpf_rs::Result<()> {
        // struct mode of bpf/tcpaccept.bpf.c, in its order
        let by_graft = form.backend() != Backend::Tracepoint && !lacks.contains(&GRAFT);
        maps::set_constant(object, ".rodata.mode", &[u8::from(self.backlog), u8::from(by_graft)])?;
        if self.backlog {
            maps::set_size(object, "calls", MAX_CALLS)?;
        }
        Ok(())
    }

    fn columns(&self) -> Vec<Column<types::event>> {
        let mut columns = values::identity_columns(self.common.print_uid);
        columns.extend([
            column("RADDR", 16, values::daddr),
            column("RPORT", 5, rport),
            column("LADDR", 16, values::saddr),
            column("LPORT", 5, values::sport),
        ]);
        if self.backlog {
            columns.push(column("BL", 0, backlog));
        }
        columns
    }

    fn fields(&self) -> Vec<Field<types::event>> {
        let mut fields = values::identity_fields();
        fields.extend([
            field("laddr", values::saddr),
            field("lport", values::sport),
            field("raddr", values::daddr),
            field("rport", rport),
        ]);
        if self.backlog {
            fields.extend([field("backlog", waiting), field("backlog_max", limit)]);
        }
        fields
    }
}

// SAFETY: integers and arrays of them.
unsafe impl Plain for types::event {}
// SAFETY: its first two fields are origin and ends.
unsafe impl Event for types::event {}

fn rport(event: &types::event) -> Value<'_> {
    number_unless_zero(event.ends.dport.into())
}

fn backlog(event: &types::event) -> Value<'_> {
    match event.backlog_known {
        0 => Value::Unknown,
        _ => Value::Ratio(event.backlog.waiting, event.backlog.limit),
    }
}

fn waiting(event: &types::event) -> Value<'_> {
    if event.backlog_known == 0 { Value::Unknown } else { Value::Number(event.backlog.waiting.into()) }
}

fn limit(event: &types::event) -> Value<'_> {
    if event.backlog_known == 0 { Value::Unknown } else { Value::Number(event.backlog.limit.into()) }
}
