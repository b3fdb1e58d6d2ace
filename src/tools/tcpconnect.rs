//! tcpconnect: active TCP connection attempts, successful or not.

mod manual;

use std::io;
use std::ops::RangeInclusive;
use std::sync::OnceLock;
use std::time::Instant;

use clap::Parser;
use libbpf_rs::Object;

use crate::backends::Backend;
use crate::backends::Form;
use crate::backends::Lacks;
use crate::backends::Needs;
use crate::backends::Optional;
use crate::backends::Refusal;
use crate::backends::Section;
use crate::fields;
use crate::fields::Field;
use crate::fields::Kind;
use crate::fields::Row;
use crate::kernel;
use crate::kernel::event;
use crate::kernel::maps;
use crate::kernel::programs;
use crate::kernel::tracefs;
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
use crate::privileges::RUN_PROGRAMS;
use crate::tool::Left;
use crate::tool::Leftover;
use crate::tool::Manual;
use crate::tool::Tool;

#[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks)]
pub mod types {
    include!(concat!(env!("OUT_DIR"), "/tcpconnect.rs"));
}

/// Trace active TCP connection attempts
#[derive(Debug, Parser)]
pub struct TcpConnect {
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

    /// Show only attempts to these destination ports
    #[arg(short = 'P', long = "port", value_name = "PORT|LOW-HIGH", value_delimiter = ',', value_parser = parse_ports)]
    ports: Vec<RangeInclusive<u16>>,

    /// Show only attempts to addresses in these nets
    ///
    /// A net is written as 10.0.0.0/8 or 2001:db8::/32; an address is a net, too. IPv4-mapped IPv6 addresses are IPv4.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = parse_net)]
    daddr: Vec<Net>,

    /// Show only attempts from source addresses in these nets
    ///
    /// An attempt that failed before its address was chosen is not shown.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = parse_net)]
    saddr: Vec<Net>,

    /// Add the column LPORT: the local (source) port
    #[arg(short = 'L', long, visible_short_alias = 's', visible_alias = "source-port")]
    lport: bool,

    /// Show only failed attempts, when they have failed, with the column RESULT
    ///
    /// An attempt that its process gave up, for example after a time-out of its own, has failed, too. In backend
    /// tracepoint this option traces two system calls, which makes every system call on the machine slower.
    #[arg(short = 'x', long)]
    failed: bool,

    /// Show every attempt once it has ended, with the columns RESULT and LAT(ms)
    ///
    /// This costs as much as -x.
    #[arg(long)]
    outcome: bool,

    /// How many attempts can wait for their outcome or source port at once
    ///
    /// The attempts of one user can take a quarter of N. Each of the N takes 200 bytes of the kernel's memory.
    #[arg(long, value_name = "N", default_value_t = 65536, value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    max_in_flight: u32,
}

/// How many threads can be inside a connect call at once, where their calls are noted in a map.
const MAX_CALLS: u32 = 16384;

/// CPUs on which a call is noted without a map operation.
const MAX_CPUS: u32 = types::slots_limit::MAX_CPUS.0;

impl TcpConnect {
    fn waits_for_outcome(&self) -> bool {
        self.failed || self.outcome
    }

    /// Only the tracepoint has to wait for the source port: the kernel chooses it later.
    fn waits_for_port(&self, form: Form) -> bool {
        self.lport && !self.waits_for_outcome() && form.backend() == Backend::Tracepoint
    }

    fn rows_wait(&self, form: Form) -> bool {
        self.waits_for_outcome() || self.waits_for_port(form)
    }

    /// Programs on the functions see what connect returns. Tracepoints have to look at the system call for it, which is
    /// not possible everywhere.
    fn returns(&self, form: Form) -> types::returns {
        match form.backend() {
            _ if !self.waits_for_outcome() => types::returns::RETURNS_UNSEEN,
            Backend::Fentry => types::returns::RETURNS_OF_FUNCTION,
            Backend::Kprobe => types::returns::RETURNS_OF_CALLS,
            Backend::Tracepoint if has_syscall() => types::returns::RETURNS_OF_CALLS,
            Backend::Tracepoint => types::returns::RETURNS_UNSEEN,
        }
    }
}

/// Whether the system call can be traced.
fn has_syscall() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| tracefs::has_syscall("sys_enter_connect"))
}

fn possible_cpus() -> u32 {
    libbpf_rs::num_possible_cpus().map_or(MAX_CPUS, |cpus| MAX_CPUS.min(cpus as u32))
}

/// A kernel that is built without IPv6 has neither this function nor attempts that would need it. One
/// whose IPv6 is a module can have them at any time.
fn can_spare_ipv6() -> Result<(), Option<Refusal>> {
    match kernel::Ipv6::of_kernel() {
        Some(kernel::Ipv6::Never) => Ok(()),
        Some(kernel::Ipv6::Module) => Err(Some(Refusal::new(
            "there is no tcp_v6_connect: this kernel's IPv6 is a module that is not loaded, or has no BTF",
            "modprobe ipv6",
        ))),
        Some(kernel::Ipv6::BuiltIn) | None => Err(None),
    }
}

impl Tool for TcpConnect {
    const OBJECT: &'static [u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tcpconnect.bpf.o"));
    const NAME: &'static str = "tcpconnect";
    const MANUAL: Manual = manual::MANUAL;
    const FIELDS: &'static [Field] = FIELDS;
    const COUNTED: (&'static [&'static str], &'static str) = (&["saddr", "daddr", "dport"], "CONNECTS");
    const PROBES: &'static [&'static [&'static str]] = &[&[], &["--outcome"]];
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
        let local = Side { nets: &self.saddr, ..Side::default() };
        let remote = Side { ports: &self.ports, not_ports: &self.ends.not_ports, nets: &self.daddr };
        Filter { who: Some(&self.who), ends: Some(EndsFilter { local, remote, ..self.ends.filter() }) }
    }

    const OPTIONAL: &'static [Optional] = &[Optional { function: "tcp_v6_connect", spare: can_spare_ipv6 }];

    fn needs(&self, form: Form, _lacks: Lacks<'_>) -> Needs {
        let returns = self.returns(form);
        let has_calls = returns == types::returns::RETURNS_OF_CALLS;
        let cpus = if form == Form::Kprobe { possible_cpus() } else { 1 };
        let mode = types::mode {
            wait_for_port: self.waits_for_port(form).into(),
            wait_for_outcome: self.waits_for_outcome().into(),
            failed_only: self.failed.into(),
            uses_btf: form.needs_btf().into(),
            returns,
            cpus,
            share: (self.max_in_flight / 4).max(1),
        };
        let mut needs = Needs::default()
            .program(
                Section::TpBtf("inet_sock_set_state"),
                form.backend() == Backend::Tracepoint || self.waits_for_outcome(),
            )
            .program(Section::TpBtf("tcp_retransmit_skb"), self.waits_for_port(form))
            .program(Section::Tracepoint("tcp", "tcp_retransmit_skb"), self.waits_for_port(form))
            .program(Section::TpBtf("tcp_destroy_sock"), self.rows_wait(form))
            .program(Section::RawTp("tcp_destroy_sock"), self.rows_wait(form))
            // It copies the kernel's memory.
            .program(Section::Run, self.rows_wait(form) && kernel::may_copy())
            .program(Section::Tracepoint("syscalls", "sys_enter_connect"), has_calls)
            .program(Section::Tracepoint("syscalls", "sys_exit_connect"), has_calls)
            .constants(".rodata.mode", &mode)
            .size(SLOTS, cpus);
        if self.rows_wait(form) {
            needs = needs.size(IN_FLIGHT, self.max_in_flight).reads(&[IN_FLIGHT]).calls(RUN_PROGRAMS);
        }
        if form == Form::Kprobe || has_calls {
            needs = needs.size(CALLS, MAX_CALLS);
        }
        if form == Form::Kprobe {
            needs = needs.reads(&[CALLS, SLOTS]);
        }
        if form == Form::Classic {
            needs = needs.size("begun", MAX_CALLS);
        }
        needs
    }

    fn caveat(&self, form: Form) -> Option<&'static str> {
        match (form, self.returns(form)) {
            _ if !self.waits_for_outcome() => None,
            (Form::Classic, _) => Some(
                "attempts that fail before their SYN are not shown, and errors only where connect(2) returned them: \
                 there is no BTF here",
            ),
            (_, types::returns::RETURNS_UNSEEN) => Some(
                "attempts that fail before their SYN are not shown, or read `closed`: there is no tracefs that can be \
                 read and has the tracepoints of connect(2)",
            ),
            _ => None,
        }
    }

    fn missing_option(&self, key: &str) -> Option<&'static str> {
        (["result", "latency_ns"].contains(&key) && !self.waits_for_outcome()).then_some("--outcome or -x")
    }

    fn table(&self) -> Vec<&'static str> {
        let mut keys = vec!["pid", "comm", "ip", "saddr"];
        if self.lport {
            keys.push("sport");
        }
        keys.extend(["daddr", "dport"]);
        if self.waits_for_outcome() {
            keys.push("result");
        }
        if self.outcome {
            keys.push("latency_ns");
        }
        keys
    }

    fn leftovers(
        &self,
        form: Form,
        object: &Object,
        deadline: Instant,
        take: &mut dyn FnMut(Leftover<'_, types::event>),
    ) -> io::Result<Left> {
        let mut left = Left::default();
        if self.rows_wait(form) {
            last_look(object, deadline)?;
            let mut sorter = Sorter { take, ended: Vec::new(), pending: Vec::new() };
            maps::entries(object, IN_FLIGHT, deadline, |_: u64, attempt: types::attempt| {
                left.pending += u64::from(attempt.ended == 0);
                // With -x alone: not failed yet.
                if attempt.ended != 0 || !self.failed {
                    sorter.add(attempt);
                }
            })?;
            sorter.pass_on();
        }
        if form == Form::Kprobe {
            left.half = unreturned_calls(object, deadline)?;
        }
        Ok(left)
    }
}

const IN_FLIGHT: &str = "in_flight";
const CALLS: &str = "calls";
const SLOTS: &str = "slots";

/// Asks the socket of each attempt that is still in flight whether it has ended: the kernel may have skipped
/// the program that would have seen that. Where the program does not load, this is left out.
fn last_look(object: &Object, deadline: Instant) -> io::Result<()> {
    let Some(program) = programs::loaded(object) else { return Ok(()) };
    let mut sockets = programs::Arguments::default();
    let (mut waiting, mut result) = (0, Ok(()));
    maps::entries(object, IN_FLIGHT, deadline, |socket: u64, attempt: types::attempt| {
        if attempt.ended == 0 && result.is_ok() {
            sockets[waiting] = socket;
            waiting += 1;
        }
        if waiting == sockets.len() {
            result = programs::run(&program, &sockets);
            (sockets, waiting) = Default::default();
        }
    })?;
    result?;
    if waiting > 0 { programs::run(&program, &sockets) } else { Ok(()) }
}

/// Passes rows on by time, those that have ended before those that have not. More than a bound on memory
/// allows are sorted so many at a time.
struct Sorter<'a> {
    take: &'a mut dyn FnMut(Leftover<'_, types::event>),
    ended: Vec<types::event>,
    pending: Vec<types::event>,
}

impl Sorter<'_> {
    /// 7 MB of rows.
    const AT_ONCE: usize = 65536;

    fn add(&mut self, attempt: types::attempt) {
        let rows = if attempt.ended == 0 { &mut self.pending } else { &mut self.ended };
        rows.push(attempt.row);
        if self.ended.len() + self.pending.len() == Self::AT_ONCE {
            self.pass_on();
        }
    }

    fn pass_on(&mut self) {
        self.ended.sort_by_key(|row| row.origin.ts);
        self.pending.sort_by_key(|row| row.origin.ts);
        self.ended.drain(..).for_each(|row| (self.take)(Leftover::Ended(&row)));
        self.pending.drain(..).for_each(|row| (self.take)(Leftover::Pending(&row)));
    }
}

/// Calls whose return has not been seen, nor an attempt that they made.
fn unreturned_calls(object: &Object, deadline: Instant) -> io::Result<u64> {
    let mut calls = 0;
    maps::entries(object, CALLS, deadline, |_: u64, call: types::call| {
        calls += u64::from(call.attempted.is_null());
    })?;
    maps::entries(object, SLOTS, deadline, |_: u32, slot: types::slot| {
        calls += u64::from(slot.task != 0);
    })?;
    Ok(calls)
}

event::event!(types);
event::plain!(types::mode, types::attempt, types::call, types::slot);

const FIELDS: &[Field] = &[
    Field::new(
        "saddr",
        "SADDR",
        16,
        Kind::Address,
        fields::local_address,
        "Local address; unknown where the attempt failed before one was chosen.",
    ),
    Field::new(
        "sport",
        "LPORT",
        6,
        Kind::Id,
        fields::local_port,
        "Local port; unknown where the attempt failed before one was chosen. The table shows it with `-L`.",
    ),
    Field::new("daddr", "DADDR", 16, Kind::Address, fields::remote_address, "Address to connect to."),
    Field::new("dport", "DPORT", 6, Kind::Id, dport, "Port to connect to."),
    Field::new(
        "result",
        "RESULT",
        12,
        Kind::Word,
        result,
        "How the attempt ended: `ok`, the name of an error such as `ECONNREFUSED`, `closed` (the process closed the \
         socket or ended before there was an answer), `failed` (an error that the backend cannot tell) or `pending` \
         (still under way when tracing ended). Known with `-x` and `--outcome`; unknown if neither a program nor the \
         socket could tell. Old kernels (5.10) set the error before they close the socket: if the process fetches it \
         (SO_ERROR) in between, the row reads `closed`.",
    ),
    Field::new(
        "error",
        "ERR",
        12,
        Kind::Word,
        error,
        "The name of the error that the attempt failed with. Without `-x` and `--outcome` it is only known if the \
         attempt failed on the spot.",
    ),
    Field::new(
        "latency_ns",
        "LAT(ms)",
        8,
        Kind::Span,
        latency,
        "Time from the attempt to its end, in milliseconds in the table. Known with `-x` and `--outcome`; unknown if \
         no SYN was sent, or if the kernel skipped the program that sees the end.",
    ),
];

fn dport<'a>(row: &Row<'a>) -> Value<'a> {
    match row.event::<types::event>().ends {
        types::endpoints { dport: 0, daddr_known: 0, .. } => Value::Unknown, // the caller's address was too short
        types::endpoints { dport, .. } => Value::Number(dport.into()),
    }
}

fn error<'a>(row: &Row<'a>) -> Value<'a> {
    match row.event::<types::event>().error {
        0 => Value::Unknown,
        error => Value::Errno(error),
    }
}

/// Unknown in rows that did not wait for it, and where nobody saw it.
fn result<'a>(row: &Row<'a>) -> Value<'a> {
    let event = row.event::<types::event>();
    match event.result {
        types::result::RESULT_OK => Value::Word("ok"),
        types::result::RESULT_FAILED if event.error == 0 => Value::Word("failed"),
        types::result::RESULT_FAILED => Value::Errno(event.error),
        types::result::RESULT_CLOSED => Value::Word("closed"),
        types::result::RESULT_PENDING => Value::Word("pending"),
        _ => Value::Unknown,
    }
}

fn latency<'a>(row: &Row<'a>) -> Value<'a> {
    match row.event::<types::event>().latency_ns {
        0 => Value::Unknown,
        span => Value::Nanoseconds(span),
    }
}
