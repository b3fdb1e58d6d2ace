//! Made-up connections that ended.

use bpftools::tools::tcpconnect::types::event as Attempt;
use bpftools::tools::tcplife::TcpLife;
use bpftools::tools::tcplife::types::caller;
use bpftools::tools::tcplife::types::endpoints;
use bpftools::tools::tcplife::types::event;
use bpftools::tools::tcplife::types::origin;

use super::Sampled;

impl Sampled for TcpLife {
    const OPTIONS: &'static [&'static str] = &["--more"];
    const MORE: &'static [(&'static str, &'static [&'static str])] = &[("addresses", &["-w"])];

    fn events() -> Vec<event> {
        ended()
    }
}

/// The same ends and names, of connections that ended in one way each.
fn ended() -> Vec<event> {
    const STATES: [u8; 4] = [5, 1, 9, 0];
    let ended = |(at, Attempt { origin: by, ends, error, latency_ns, .. }): (usize, Attempt)| event {
        origin: origin {
            ts: by.ts,
            cgroup_id: by.cgroup_id,
            caller: caller { pid: by.caller.pid, tid: by.caller.tid, uid: by.caller.uid },
            comm: by.comm,
            anonymous: u8::from(at == 3),
            ..Default::default()
        },
        ends: endpoints {
            saddr: ends.saddr,
            daddr: ends.daddr,
            sport: ends.sport,
            dport: ends.dport,
            ip: ends.ip,
            netns: ends.netns,
            daddr_known: 1,
            ..Default::default()
        },
        error: if at == 1 { 104 } else { error },
        duration_ns: latency_ns,
        tx_bytes: 1 << (at * 10),
        rx_bytes: 500,
        retransmits: at as u32,
        segs_out: 6,
        segs_in: 4,
        srtt_us: 1234,
        min_rtt_us: if at == 1 { u32::MAX } else { 999 },
        rcv_ooo: 1,
        dsack: 2,
        lost: 3,
        cong: *b"cubic\0\0\0\0\0\0\0\0\0\0\0",
        state: STATES[at % STATES.len()],
        opened: u8::from(at != 4),
        measured: u8::from(at != 5),
        pid_from: [1, 2, 3, 0, 5, 4][at % 6],
        shared: u8::from(at == 4),
        ..Default::default()
    };
    super::tcpconnect::events().into_iter().enumerate().map(ended).collect()
}
