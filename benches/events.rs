//! From a ring buffer's record to a line, in process: decode, format, into a buffer that is thrown
//! away. Also shows, by counting, that none of it allocates.

use std::alloc::GlobalAlloc;
use std::alloc::Layout;
use std::alloc::System;
use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use bpftools::fields;
use bpftools::fields::Context;
use bpftools::fields::Field;
use bpftools::fields::Row;
use bpftools::output::Writer;
use bpftools::tool::Tool;
use bpftools::tools::tcpconnect::TcpConnect;
use bpftools::tools::tcpconnect::types::caller;
use bpftools::tools::tcpconnect::types::endpoints;
use bpftools::tools::tcpconnect::types::event;
use bpftools::tools::tcpconnect::types::origin;
use clap::Parser;
use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;

/// Records a batch, as the printer takes them.
const BATCH: usize = 512;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn records(ip: u8) -> Vec<[u8; size_of::<event>()]> {
    let addr = |last: u8| {
        let mut addr = [0; 16];
        match ip {
            4 => addr[..4].copy_from_slice(&[192, 168, 100, last]),
            _ => addr.copy_from_slice(&[0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 0, 0, 0, 0, 0, 3, 1, last]),
        }
        addr
    };
    (0..BATCH)
        .map(|index| {
            let event = event {
                origin: origin {
                    ts: 1_000_000_000 + 20_000 * index as u64,
                    cgroup_id: 4242,
                    caller: caller { pid: 12345, tid: 12345, uid: 1000 },
                    comm: *b"connection-pool\0",
                    ..Default::default()
                },
                ends: endpoints {
                    saddr: addr(1),
                    daddr: addr(index as u8),
                    sport: 40000 + index as u16,
                    dport: 5432,
                    ip,
                    daddr_known: 1,
                    ..Default::default()
                },
                ..Default::default()
            };
            // SAFETY: a repr(C) struct of integers without padding.
            unsafe { std::mem::transmute::<event, [u8; size_of::<event>()]>(event) }
        })
        .collect()
}

/// Formats all records, as a run does with what it takes from the ring.
fn format_batch(
    fields: &[Field],
    context: &Context,
    writer: &mut Writer,
    records: &[[u8; size_of::<event>()]],
    out: &mut Vec<u8>,
) {
    out.clear();
    for record in records {
        fields::write(fields, Row::new(black_box(record), context), writer, out);
    }
    black_box(out);
}

fn events(criterion: &mut Criterion) {
    let context = Context::new("tcpconnect", 1_700_000_000_000_000_000);
    let mut out = Vec::with_capacity(BATCH * 512);
    let mut group = criterion.benchmark_group("events");
    group.throughput(Throughput::Elements(BATCH as u64));
    for ip in [4, 6] {
        let records = records(ip);
        for (name, options) in [("table", &["tcpconnect"][..]), ("json", &["tcpconnect", "--json"])] {
            let tool = TcpConnect::parse_from(options);
            let fields = tool.output().shown(TcpConnect::FIELDS, &tool.table()).expect("its default fields");
            let columns = fields.iter().map(Field::column).collect();
            let mut writer = tool.output().writing.format().writer(columns, true);
            format_batch(&fields, &context, &mut writer, &records, &mut out);
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            format_batch(&fields, &context, &mut writer, &records, &mut out);
            let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
            assert!(allocations == 0, "{allocations} allocations in {BATCH} rows of {name}");
            group.bench_function(format!("{name}/ipv{ip}"), |bencher| {
                bencher.iter(|| format_batch(&fields, &context, &mut writer, &records, &mut out));
            });
        }
    }
}

criterion_group!(benches, events);
criterion_main!(benches);
