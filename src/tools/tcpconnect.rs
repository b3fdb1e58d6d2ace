//! tcpconnect: active TCP connection attempts, successful or not.

mod manual;

use std::ops::RangeInclusive;
use std::sync::OnceLock;

use clap::Parser;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use libbpf_rs::Object;
use libbpf_rs::OpenObject;

use super::Leftovers;
use super::Manual;
use super::Tool;
use super::values;
use super::values::column;
use super::values::field;
use crate::args::Common;
use crate::args::parse_ports;
use crate::backends::Backend;
use crate::backends::Form;
use crate::backends::Lacks;
use crate::backends::Optional;
use crate::backends::Refusal;
use crate::event;
use crate::event::Event;
use crate::event::Plain;
use crate::kernel;
use crate::maps;
use crate::output::Column;
use crate::output::Field;
use crate::output::Value;
use crate::privileges::Call;
use crate::privileges::READ_MAPS;
use crate::tracefs;

#[allow(warnings, clippy::all, clippy::undocumented_unsafe_blocks)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tcpconnect.rs"));
}
pub use generated::types;

/// Trace active TCP connection attempts
#[derive(Debug, Parser)]
pub struct TcpConnect {
    #[command(flatten)]
    common: Common,

    /// Show only attempts to these destination ports
    #[arg(short = 'P', long = "port", value_name = "PORT|LOW-HIGH", value_delimiter = ',', value_parser = parse_ports)]
    ports: Vec<RangeInclusive<u16>>,

    /// Add the column LPORT: the local (source) port
    #[arg(short = 'L', long, visible_short_alias = 's', visible_alias = "source-port")]
    lport: bool,

    /// Show only attempts that failed, once they have, with the column ERR
    ///
    /// An attempt that its process gave up, by a time-out of its own say, has failed too. In backend
    /// tracepoint this traces two system calls, which makes every system call on the machine slower.
    #[arg(short = 'x', long)]
    failed: bool,

    /// Show every attempt once it has ended, with the columns RESULT and LAT(ms)
    ///
    /// The same cost as -x.
    #[arg(long)]
    outcome: bool,

    /// How many attempts can wait for their outcome or source port at once
    #[arg(long, value_name = "N", default_value_t = 16384, value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    max_in_flight: u32,
}

/// enum returns of bpf/tcpconnect.h: who tells what a connect call returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Returns {
    Unseen,
    OfFunction,
    OfCall,
}

/// How many threads can be inside a connect call at once, where a map keeps them.
const MAX_CALLS: u32 = 16384;

/// As in bpf/tcpconnect.h: CPUs on which calls wait without a map operation.
const MAX_CPUS: usize = 1024;

impl TcpConnect {
    fn waits_for_outcome(&self) -> bool {
        self.failed || self.outcome
    }

    /// Only the tracepoint has to wait for the source port: the kernel chooses it later.
    fn waits_for_port(&self, form: Form) -> bool {
        self.lport && !self.waits_for_outcome() && form.backend() == Backend::Tracepoint
    }

    fn keeps_in_flight(&self, form: Form) -> bool {
        self.waits_for_outcome() || self.waits_for_port(form)
    }

    /// Functions return what connect does; tracepoints must look at the system call for it, which is
    /// not possible everywhere.
    fn returns(&self, form: Form) -> Returns {
        match form.backend() {
            _ if !self.waits_for_outcome() => Returns::Unseen,
            Backend::Fentry => Returns::OfFunction,
            Backend::Kprobe => Returns::OfCall,
            Backend::Tracepoint if has_syscall() => Returns::OfCall,
            Backend::Tracepoint => Returns::Unseen,
        }
    }
}

/// Whether the system call can be traced.
fn has_syscall() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| tracefs::has_syscall("sys_enter_connect"))
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
    type Event = types::event;

    fn common(&self) -> &Common {
        &self.common
    }

    fn ports(&self) -> &[RangeInclusive<u16>] {
        &self.ports
    }

    const OPTIONAL: &'static [Optional] = &[Optional { function: "tcp_v6_connect", spare: can_spare_ipv6 }];

    fn loads(&self, form: Form, _lacks: Lacks<'_>, section: &str) -> bool {
        match section {
            "tp_btf/inet_sock_set_state" => form.backend() == Backend::Tracepoint || self.waits_for_outcome(),
            "tp_btf/tcp_retransmit_skb" | "tracepoint/tcp/tcp_retransmit_skb" => self.waits_for_port(form),
            "tracepoint/syscalls/sys_enter_connect" | "tracepoint/syscalls/sys_exit_connect" => {
                self.returns(form) == Returns::OfCall
            }
            _ => true,
        }
    }

    fn configure(&self, form: Form, _lacks: Lacks<'_>, object: &mut OpenObject) -> libbpf_rs::Result<()> {
        let returns = self.returns(form);
        let cpus = if form == Form::Kprobe { libbpf_rs::num_possible_cpus()?.min(MAX_CPUS) } else { 1 };
        let [cpus_low, cpus_high] = (cpus as u16).to_ne_bytes();
        // struct mode of bpf/tcpconnect.h, in its order
        let mode = [
            u8::from(self.waits_for_port(form)),
            u8::from(self.waits_for_outcome()),
            u8::from(self.failed),
            returns as u8,
            u8::from(form.needs_btf()),
            0,
            cpus_low,
            cpus_high,
        ];
        maps::set_constant(object, ".rodata.mode", &mode)?;
        maps::set_size(object, "slots", cpus as u32)?;
        if self.keeps_in_flight(form) {
            maps::set_size(object, "in_flight", self.max_in_flight)?;
        }
        if form == Form::Kprobe || returns == Returns::OfCall {
            maps::set_size(object, "calls", MAX_CALLS)?;
        }
        if form == Form::Classic {
            maps::set_size(object, "begun", MAX_CALLS)?;
        }
        Ok(())
    }

    fn caveat(&self, form: Form) -> Option<&'static str> {
        match (form, self.returns(form)) {
            _ if !self.waits_for_outcome() => None,
            (Form::Classic, _) => Some(
                "attempts that fail before their SYN are not shown, and errors only where connect(2) returned them: \
                 this kernel has no BTF",
            ),
            (_, Returns::Unseen) => Some(
                "attempts that fail before their SYN are not shown, or read `closed`: no syscall tracepoints in tracefs \
                 here",
            ),
            _ => None,
        }
    }

    fn columns(&self) -> Vec<Column<types::event>> {
        let mut columns = values::identity_columns(self.common.print_uid);
        columns.push(column("SADDR", 16, values::saddr));
        if self.lport {
            columns.push(column("LPORT", 6, values::sport));
        }
        columns.extend([column("DADDR", 16, values::daddr), column("DPORT", 6, dport)]);
        if self.outcome {
            columns.extend([column("RESULT", 12, result), column("LAT(ms)", 8, latency)]);
        } else if self.failed {
            columns.push(column("ERR", 12, result));
        }
        columns
    }

    fn fields(&self) -> Vec<Field<types::event>> {
        let mut fields = values::identity_fields();
        fields.extend([
            field("saddr", values::saddr),
            field("sport", values::sport),
            field("daddr", values::daddr),
            field("dport", dport),
            field("result", result),
            field("error", error),
            field("latency_ns", latency),
        ]);
        fields
    }

    fn calls(&self, form: Form) -> &'static [Call] {
        if self.keeps_in_flight(form) || form == Form::Kprobe { READ_MAPS } else { &[] }
    }

    fn leftovers(&self, form: Form, object: &Object) -> libbpf_rs::Result<Leftovers<types::event>> {
        let mut left = Leftovers::default();
        if self.keeps_in_flight(form) {
            let in_flight = maps::find(object, "in_flight")?;
            for key in in_flight.keys() {
                match in_flight.lookup(&key, MapFlags::ANY)?.as_deref().and_then(event::decode::<types::attempt>) {
                    Some(attempt) if attempt.ended != 0 => left.rows.push(ended(attempt.row)),
                    Some(attempt) => left.pending_rows.push(self.pending(attempt.row)),
                    None => {}
                }
            }
        }
        left.rows.sort_by_key(|row| row.origin.ts);
        left.pending_rows.sort_by_key(|row| row.origin.ts);
        left.pending = left.pending_rows.len() as u64;
        if self.failed {
            left.pending_rows.clear(); // not failed yet
        }
        if form == Form::Kprobe {
            left.missed = calls_under_way(object)?;
        }
        Ok(left)
    }
}

impl TcpConnect {
    /// The row of an attempt that is still under way when the run ends.
    fn pending(&self, row: types::event) -> types::event {
        let waits = self.waits_for_outcome();
        types::event { result: if waits { types::result::RESULT_PENDING } else { row.result }, ..row }
    }
}

/// The row of an attempt that has ended and would wait for the return of its call for ever: the kernel
/// did not show it.
fn ended(row: types::event) -> types::event {
    let result = if row.error == 0 { types::result::RESULT_CLOSED } else { types::result::RESULT_FAILED };
    types::event { result, ..row }
}

/// Calls whose return has not been seen.
fn calls_under_way(object: &Object) -> libbpf_rs::Result<u64> {
    let mut calls = maps::find(object, "calls")?.keys().count() as u64;
    let slots = maps::find(object, "slots")?;
    for cpu in slots.keys() {
        let slot = slots.lookup(&cpu, MapFlags::ANY)?;
        let slot = slot.as_deref().and_then(event::decode::<types::slot>);
        calls += u64::from(slot.is_some_and(|slot| slot.task != 0));
    }
    Ok(calls)
}

// SAFETY: integers and arrays of them; the enum is a transparent u32.
unsafe impl Plain for types::event {}
// SAFETY: its first two fields are origin and ends.
unsafe impl Event for types::event {}
// SAFETY: as event, which it contains.
unsafe impl Plain for types::attempt {}
// SAFETY: integers, and pointers that are never followed.
unsafe impl Plain for types::slot {}

fn dport(event: &types::event) -> Value<'_> {
    match event.ends {
        types::endpoints { dport: 0, daddr_known: 0, .. } => Value::Unknown, // the caller's address was too short
        types::endpoints { dport, .. } => Value::Number(dport.into()),
    }
}

fn error(event: &types::event) -> Value<'_> {
    if event.error == 0 { Value::Unknown } else { Value::Errno(event.error) }
}

/// Unknown in rows that did not wait for it.
fn result(event: &types::event) -> Value<'_> {
    match event.result {
        types::result::RESULT_OK => Value::Word("ok"),
        types::result::RESULT_FAILED if event.error == 0 => Value::Word("failed"),
        types::result::RESULT_FAILED => Value::Errno(event.error),
        types::result::RESULT_CLOSED => Value::Word("closed"),
        types::result::RESULT_PENDING => Value::Word("pending"),
        _ => Value::Unknown,
    }
}

fn latency(event: &types::event) -> Value<'_> {
    if event.latency_ns == 0 { Value::Unknown } else { Value::Nanoseconds(event.latency_ns) }
}
