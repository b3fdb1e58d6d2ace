//! Made-up connections that were accepted.

use bpftools::tools::tcpaccept::TcpAccept;
use bpftools::tools::tcpaccept::types::backlog;
use bpftools::tools::tcpaccept::types::caller;
use bpftools::tools::tcpaccept::types::endpoints;
use bpftools::tools::tcpaccept::types::event;
use bpftools::tools::tcpaccept::types::origin;
use bpftools::tools::tcpconnect::types::caller as Caller;
use bpftools::tools::tcpconnect::types::event as Attempt;

use super::Sampled;

impl Sampled for TcpAccept {
    const OPTIONS: &'static [&'static str] = &["--backlog"];

    fn events() -> Vec<event> {
        accepted()
    }
}

/// The same ends and names, accepted.
fn accepted() -> Vec<event> {
    let backlogs = [Some((0, 128)), Some((4095, 4096)), None];
    let accepted = |(Attempt { origin, ends, .. }, backlog): (Attempt, Option<(u32, u32)>)| {
        let (waiting, limit) = backlog.unwrap_or_default();
        let Caller { pid, tid, uid } = origin.caller;
        event {
            origin: origin {
                ts: origin.ts,
                cgroup_id: origin.cgroup_id,
                caller: caller { pid, tid, uid },
                comm: origin.comm,
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
            backlog_known: u8::from(backlog.is_some()),
            backlog: backlog { waiting, limit },
            ..Default::default()
        }
    };
    super::tcpconnect::events().into_iter().zip(backlogs).map(accepted).collect()
}
