//! tcplife: TCP connections, once they have ended: whose, how long, how many bytes each way.

mod manual;

use std::io;
use std::ops::RangeInclusive;
use std::time::Instant;

use clap::Parser;
use libbpf_rs::Object;
use nix::errno::Errno;

use crate::backends::Backend;
use crate::backends::Form;
use crate::backends::Lacks;
use crate::backends::Needs;
use crate::backends::Section;
use crate::fields;
use crate::fields::Field;
use crate::fields::Kind;
use crate::fields::Row;
use crate::kernel::event;
use crate::kernel::maps;
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
use crate::tool::Left;
use crate::tool::Leftover;
use crate::tool::Manual;
use crate::tool::Tool;

#[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks)]
pub mod types {
    include!(concat!(env!("OUT_DIR"), "/conn.rs"));
}

/// Trace TCP connections, with a row for each when it ends
#[derive(Debug, Parser)]
pub struct TcpLife {
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

    /// Show only connections that have one of these ports, at either end
    #[arg(short = 'P', long = "port", value_name = "PORT|LOW-HIGH", value_delimiter = ',', value_parser = parse_ports)]
    ports: Vec<RangeInclusive<u16>>,

    /// Show only connections of these local ports
    #[arg(short = 'L', long = "localport", value_name = "PORT|LOW-HIGH", value_delimiter = ',', value_parser = parse_ports)]
    local: Vec<RangeInclusive<u16>>,

    /// Show only connections to these remote ports
    #[arg(short = 'D', long = "remoteport", value_name = "PORT|LOW-HIGH", value_delimiter = ',', value_parser = parse_ports)]
    remote: Vec<RangeInclusive<u16>>,

    /// Show only connections of local addresses in these nets
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = parse_net)]
    laddr: Vec<Net>,

    /// Show only connections to addresses in these nets
    ///
    /// A net is 10.0.0.0/8, 2001:db8::/32 or an address. IPv4-mapped IPv6 addresses are IPv4.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = parse_net)]
    raddr: Vec<Net>,

    /// Show only what did not end by the FINs of both sides, also connects that failed
    #[arg(short = 'x', long)]
    failed: bool,

    /// Make addresses as wide as the longest, and add the column IP
    #[arg(short, long)]
    wide: bool,

    /// Add the columns RETR, RTT(ms), MINRTT(ms) and END
    #[arg(long)]
    more: bool,

    /// In backend tracepoint, do not look at who reads from a socket
    ///
    /// Saves a program at each read(2) of a TCP socket. An accepted connection is then that of the process that closes it.
    #[arg(long)]
    no_owner: bool,

    /// How many connections can be open at once with all that is known of them
    ///
    /// Takes 100 bytes of the kernel's memory for each.
    #[arg(long, value_name = "N", default_value_t = 65536, value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    max_in_flight: u32,
}

impl Tool for TcpLife {
    const OBJECT: &'static [u8] = include_bytes!(concat!(env!("OUT_DIR"), "/conn.bpf.o"));
    const NAME: &'static str = "tcplife";
    const MANUAL: Manual = manual::MANUAL;
    const FIELDS: &'static [Field] = FIELDS;
    const COUNTED: (&'static [&'static str], &'static str) = (&["comm", "raddr", "rport"], "CONNS");
    const MAP_REMEDY: &'static str = "a larger --max-in-flight";
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
        let not_ports = &self.ends.not_ports;
        let local = Side { ports: &self.local, not_ports, nets: &self.laddr };
        let remote = Side { ports: &self.remote, not_ports, nets: &self.raddr };
        Filter {
            who: Some(&self.who),
            ends: Some(EndsFilter { local, remote, either: &self.ports, ..self.ends.filter() }),
        }
    }

    fn needs(&self, form: Form, _lacks: Lacks<'_>) -> Needs {
        let by_reader = form.backend() == Backend::Tracepoint && !self.no_owner;
        let needs = Needs::default()
            .program(Section::TpBtf("inet_sock_set_state"), true)
            .program(Section::TpBtf("tcp_destroy_sock"), true)
            .program(Section::TpBtf("tcp_rcv_space_adjust"), by_reader)
            .program(Section::RawTp("tcp_rcv_space_adjust"), by_reader)
            .program(Section::Iter("task_file"), true);
        let mode = types::mode { failed: self.failed.into() };
        needs.constants(".rodata.mode", &mode).size(CONNS, self.max_in_flight).reads(&[CONNS])
    }

    /// What is open still is counted; whose it is is known, but not yet its ends.
    fn leftovers(
        &self,
        _form: Form,
        object: &Object,
        deadline: Instant,
        _take: &mut dyn FnMut(Leftover<'_, types::event>),
    ) -> io::Result<Left> {
        let mut left = Left::default();
        maps::entries(object, CONNS, deadline, |_: u64, conn: types::conn| {
            left.pending += u64::from(conn.owner.wanted);
        })?;
        Ok(left)
    }

    fn is_wide(&self) -> bool {
        self.wide
    }

    fn table(&self) -> Vec<&'static str> {
        let ip: &[_] = if self.wide { &["ip"] } else { &[] };
        let more: &[_] = if self.more { &["retransmits", "srtt_ns", "min_rtt_ns", "end"] } else { &[] };
        let columns = ["laddr", "lport", "raddr", "rport", "tx_bytes", "rx_bytes", "duration_ns"];
        [&["pid", "comm"], ip, &columns, more].concat()
    }
}

event::event!(types);
event::plain!(types::mode, types::conn);

const CONNS: &str = "conns";

#[rustfmt::skip] // a line a field
const FIELDS: &[Field] = &[
    Field::new("laddr", "LADDR", 15, Kind::Address, fields::local_address, "Local address."),
    Field::new("lport", "LPORT", 5, Kind::Id, fields::local_port, "Local port."),
    Field::new("raddr", "RADDR", 15, Kind::Address, fields::remote_address, "Address of the other side."),
    Field::new("rport", "RPORT", 5, Kind::Id, fields::remote_port, "Port of the other side."),
    Field::new("tx_bytes", "TX_KB", 6, Kind::Bytes, |row| bytes(row, |event| event.tx_bytes), manual::TX_BYTES),
    Field::new("rx_bytes", "RX_KB", 6, Kind::Bytes, |row| bytes(row, |event| event.rx_bytes), manual::RX_BYTES),
    Field::new("duration_ns", "MS", 5, Kind::Span, duration, manual::DURATION),
    Field::new("opened", "OPENED", 6, Kind::Flag, opened, "Whether tracing saw it begin."),
    Field::new("retransmits", "RETR", 5, Kind::Count, |row| count(row, |event| event.retransmits), manual::RETRANSMITS),
    Field::new("srtt_ns", "RTT(ms)", 8, Kind::Span, |row| rtt(row, |event| event.srtt_us), manual::SRTT),
    Field::new("min_rtt_ns", "MINRTT(ms)", 10, Kind::Span, |row| rtt(row, |event| event.min_rtt_us), manual::MIN_RTT),
    Field::new("end", "END", 7, Kind::Word, end, manual::END),
    Field::new("error", "ERR", 12, Kind::Word, error, "The error of the socket when it ended."),
    Field::new("segs_out", "SEGS_OUT", 8, Kind::Count, |row| count(row, |event| event.segs_out), "Segments sent."),
    Field::new("segs_in", "SEGS_IN", 8, Kind::Count, |row| count(row, |event| event.segs_in), "Segments received."),
    Field::new("rcv_ooo", "OOO", 5, Kind::Count, |row| count(row, |event| event.rcv_ooo), manual::RCV_OOO),
    Field::new("dsack", "DSACK", 5, Kind::Count, |row| count(row, |event| event.dsack), manual::DSACK),
    Field::new("lost", "LOST", 5, Kind::Count, |row| count(row, |event| event.lost), manual::LOST),
    Field::new("cong", "CONG", 8, Kind::Text, |row| measured(row, |event| Value::Name(&event.cong)), "Congestion control."),
    Field::new("pid_from", "PID_FROM", 8, Kind::Word, pid_from, manual::PID_FROM),
    Field::new("shared", "SHARED", 6, Kind::Flag, shared, manual::SHARED),
];

/// What the socket has counted; without BTF that cannot be read.
fn measured<'a>(row: &Row<'a>, value: impl Fn(&'a types::event) -> Value<'a>) -> Value<'a> {
    let event = row.event::<types::event>();
    if event.measured == 0 { Value::Unknown } else { value(event) }
}

fn count<'a>(row: &Row<'a>, count: fn(&types::event) -> u32) -> Value<'a> {
    measured(row, |event| Value::Number(count(event).into()))
}

fn bytes<'a>(row: &Row<'a>, bytes: fn(&types::event) -> u64) -> Value<'a> {
    measured(row, |event| Value::Bytes(bytes(event)))
}

fn rtt<'a>(row: &Row<'a>, microseconds: fn(&types::event) -> u32) -> Value<'a> {
    measured(row, |event| match microseconds(event) {
        0 | u32::MAX => Value::Unknown, // there was nothing to measure it by
        microseconds => Value::Nanoseconds(u64::from(microseconds) * 1000),
    })
}

fn duration<'a>(row: &Row<'a>) -> Value<'a> {
    let event = row.event::<types::event>();
    if event.opened == 0 { Value::Unknown } else { Value::Nanoseconds(event.duration_ns) }
}

fn opened<'a>(row: &Row<'a>) -> Value<'a> {
    if row.event::<types::event>().opened == 0 { Value::False } else { Value::True }
}

fn shared<'a>(row: &Row<'a>) -> Value<'a> {
    if row.event::<types::event>().shared == 0 { Value::Unknown } else { Value::True }
}

fn error<'a>(row: &Row<'a>) -> Value<'a> {
    match row.event::<types::event>().error {
        0 => Value::Unknown,
        error => Value::Errno(error),
    }
}

fn end<'a>(row: &Row<'a>) -> Value<'a> {
    const BY_FINS: [u8; 3] = [5, 9, 11]; // FIN_WAIT2, LAST_ACK, CLOSING
    let event = row.event::<types::event>();
    Value::Word(match (Errno::from_raw(event.error.into()), event.state) {
        (Errno::ECONNRESET | Errno::EPIPE, _) => "reset",
        (Errno::ECONNREFUSED, _) => "refused",
        (Errno::ETIMEDOUT, _) => "timeout",
        _ if event.error != 0 => "failed",
        _ if event.measured == 0 || event.state == 0 => return Value::Unknown, // nor is the error known
        (_, state) if BY_FINS.contains(&state) => "fin",
        _ => "aborted",
    })
}

/// enum pid_from of bpf/owner.h, in its order.
fn pid_from<'a>(row: &Row<'a>) -> Value<'a> {
    const WORDS: [&str; 5] = ["connect", "accept", "recv", "close", "open"];
    let from = usize::from(row.event::<types::event>().pid_from);
    from.checked_sub(1).and_then(|from| WORDS.get(from)).map_or(Value::Unknown, |word| Value::Word(word))
}
