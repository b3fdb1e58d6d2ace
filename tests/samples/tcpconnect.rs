//! Made-up attempts to connect.

use bpftools::tools::tcpconnect::TcpConnect;
use bpftools::tools::tcpconnect::types::caller;
use bpftools::tools::tcpconnect::types::endpoints;
use bpftools::tools::tcpconnect::types::event;
use bpftools::tools::tcpconnect::types::origin;
use bpftools::tools::tcpconnect::types::result;

use super::Sampled;

impl Sampled for TcpConnect {
    const OPTIONS: &'static [&'static str] = &["-L", "--outcome"];
    const MORE: &'static [(&'static str, &'static [&'static str])] = &[("failed", &["-x", "--no-header"])];

    fn events() -> Vec<event> {
        events()
    }
}

fn v4(saddr: [u8; 4], daddr: [u8; 4], sport: u16, dport: u16) -> endpoints {
    let wide = |addr: [u8; 4]| {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&addr);
        bytes
    };
    endpoints {
        saddr: wide(saddr),
        daddr: wide(daddr),
        sport,
        dport,
        ip: 4,
        daddr_known: 1,
        netns: 4_026_531_840,
        ..Default::default()
    }
}

fn named(ts: u64, name: &[u8]) -> event {
    let mut comm = [0; 16];
    comm[..name.len()].copy_from_slice(name);
    let caller = caller { pid: 4242, tid: 4243, uid: 1000 };
    event { origin: origin { ts, cgroup_id: 77, caller, comm, ..Default::default() }, ..Default::default() }
}

/// One event of each shape that a row can have.
pub fn events() -> Vec<event> {
    let v6 = |saddr: &str, daddr: &str| endpoints {
        saddr: saddr.parse::<std::net::Ipv6Addr>().unwrap().octets(),
        daddr: daddr.parse::<std::net::Ipv6Addr>().unwrap().octets(),
        sport: 40001,
        dport: 443,
        ip: 6,
        daddr_known: 1,
        ..Default::default()
    };
    // From outside our PID namespace, on a kernel without cgroups.
    let mut unseen = named(4_000_000_000, b"\xc3\xa9t\xc3\xa9");
    unseen.origin.caller.pid = 0;
    unseen.origin.cgroup_id = 0;
    vec![
        event {
            latency_ns: 1_234_567,
            result: result::RESULT_OK,
            ends: v4([127, 0, 0, 1], [127, 0, 0, 1], 40000, 80),
            ..named(1_500_000_000, b"curl")
        },
        // Of another CPU, older than the first row.
        event {
            latency_ns: 999,
            result: result::RESULT_FAILED,
            error: 111,
            ends: v6("2001:db8:1:2:3:4:5:6", "2001:db8::1"),
            ..named(1_400_000_000, b"sixteen-bytes-xx")
        },
        // Failed before its SYN: neither source nor latency.
        event {
            result: result::RESULT_FAILED,
            error: 101,
            ends: v4([0; 4], [192, 0, 2, 1], 0, 65535),
            ..named(2_000_000_001, b"a\n\x1b[31m\"b\\\xff")
        },
        event {
            latency_ns: 5_000_000_000,
            result: result::RESULT_CLOSED,
            ends: v6("::1", "::1"),
            ..named(3_999_999_999, b"gave up")
        },
        event { result: result::RESULT_PENDING, ends: v4([10, 0, 0, 1], [0; 4], 1, 0), ..named(4_000_000_000, b"") },
        // Not even the destination is known, nor the errno.
        event { result: result::RESULT_FAILED, ends: endpoints { ip: 6, dport: 53, ..Default::default() }, ..unseen },
    ]
}
