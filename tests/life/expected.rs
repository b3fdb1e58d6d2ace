//! What row each backend is to give for a connection that ended: all the same, but for the differences in the table
//! of the tool's manual page.

use std::ops::RangeInclusive;

use anyhow::Result;
use anyhow::ensure;
use libtest_mimic::Trial;

use super::cases::CASES;
use super::cases::FLOOD;
use super::cases::LOADS;
use super::ended::Ended;
use super::ended::Users;
use super::filters;
use super::full;
use super::loads::CONNECTIONS;
use crate::common::allowed;
use crate::common::backend::Backend;
use crate::common::doer::Doer;
use crate::common::doer::Moment;
use crate::common::flood::Flood;
use crate::common::judge::Differing;
use crate::common::judge::Field;
use crate::common::judge::clock_tolerance_ns;
use crate::common::mode;
use crate::common::mode::Format;
use crate::common::mode::Mode;
use crate::common::row::Row;
use crate::common::run;
use crate::common::scenario::case::Case;
use crate::common::scenario::ports;
use crate::common::setup::Setup;
use crate::common::subject::Pending;
use crate::common::subject::Subject;
use crate::common::tool::Output;

pub struct TcpLife;

const MODES: &[Mode] = &[
    mode::mode("default", &["--json"], Format::Json),
    mode::mode("failed", &["--json", "-x"], Format::Json),
    mode::mode("text-more", &["-T", "-t", "-U", "-w", "--more"], Format::Text),
];

fn allowed(id: &'static str) -> bool {
    allowed::allowed("tcplife", id)
}

pub struct Expected {
    owner: Option<(Doer, &'static str)>,
    shared: bool,
    /// What a socket has counted, its error, and so how it ended.
    measured: bool,
}

impl Subject for TcpLife {
    const CASES: &'static [Case] = CASES;
    const LOADS: &'static [Case] = LOADS;
    const FILTERED: &'static [&'static str] =
        &["client-first", "client-first-v6", "mapped", "server-first", "other-user", "other-thread", "other-netns"];
    const REMOTE: &'static str = "--raddr";
    const LOCAL: &'static str = "--laddr";
    const FLOOD: Flood = Flood { case: FLOOD, rows: CONNECTIONS, distinct: "lport", options: &[] };
    type Deed = Ended;
    type Expected = Expected;

    fn modes() -> Vec<&'static Mode> {
        MODES.iter().collect()
    }

    fn expected(setup: Setup, mode: &Mode, ended: &Ended) -> Option<Expected> {
        let is_shown = if mode.has("-x") { ended.end != "fin" } else { !ended.failed };
        (is_shown && !ended.pending).then(|| {
            let owner = owner(setup, &ended.users, ended);
            let shared = ended.users.shared && owner.as_ref().is_some_and(|&(_, from)| from == "open");
            let measured = !(setup.classic && allowed("no-btf"));
            Expected { owner: owner.map(|(by, from)| (setup.named(&by, allowed), from)), shared, measured }
        })
    }

    fn own_port(row: &Row) -> Option<u16> {
        let ours = ports::range();
        let port = |key| row.number(key).filter(|port| ours.contains(port));
        port("lport").or_else(|| port("rport"))
    }

    fn may_skip(setup: Setup, _mode: &Mode, _deeds: &[Ended]) -> bool {
        may_be_skipped(setup.backend)
    }

    fn may_lose(setup: Setup) -> bool {
        setup.classic && allowed("skipped")
    }

    fn waits(_mode: &Mode) -> bool {
        true
    }

    fn pending(_setup: Setup, _mode: &Mode, made: u64) -> RangeInclusive<u64> {
        made..=made
    }

    fn shows_pending(_mode: &Mode) -> Pending {
        Pending::Counted
    }

    fn ask_for_differences() {
        ask_for_all();
    }

    fn trials(backend: Backend) -> Vec<Trial> {
        filters::trials(backend).into_iter().chain(full::trials(backend)).collect()
    }

    /// Both sides are this process's.
    fn shows_connections(output: &Output, versions: &[u8]) -> Result<()> {
        let (rows, _) = run::read(Self::TOOL, Format::Json, &output.stdout)?;
        let mut shown = rows.iter().map(|row| row.number("ip").unwrap_or_default()).collect::<Vec<u8>>();
        shown.sort_unstable();
        let wanted = versions.iter().flat_map(|&version| [version, version]).collect::<Vec<_>>();
        ensure!(shown == wanted, "rows of IP {shown:?}, not {wanted:?}; {}", output.stderr.join("\n"));
        Ok(())
    }

    fn differing(mode: &Mode, ended: &Ended, expected: &Expected, row: &Row) -> Vec<String> {
        let Ended { by, local, remote, born, tx, rx, end, info, .. } = ended;
        let json = mode.format == Format::Json;
        let mut wrong = Differing::default();
        match &expected.owner {
            Some((owner, from)) => {
                wrong.identity(mode.format, owner, row);
                if json {
                    wrong.is("pid_from", &Some(*from), &row.text("pid_from"));
                    wrong.is("shared", &expected.shared.then_some(true), &row.flag("shared"));
                }
            }
            None => nobody(row, &mut wrong),
        }
        wrong.time(by, by.returned.boot_ns, row);
        wrong.is("ip", &Some(if remote.is_ipv4() { 4 } else { 6 }), &row.number("ip"));
        if let Some(local) = local {
            wrong.is("laddr", &Some(local.ip()), &row.address("laddr"));
            wrong.is("lport", &Some(local.port()), &row.number("lport"));
        }
        wrong.is("raddr", &Some(remote.ip()), &row.address("raddr"));
        wrong.is("rport", &Some(remote.port()), &row.number("rport"));
        duration(*born, ended, row, &mut wrong);
        if json {
            wrong.is("opened", &Some(born.is_some()), &row.flag("opened"));
        }
        if !expected.measured {
            for key in ["tx_bytes", "rx_bytes", "retransmits", "srtt_ns", "min_rtt_ns", "end"] {
                wrong.is(key, &false, &row.has(key));
            }
            return wrong.all();
        }
        wrong.is("end", &Some(end.as_str()), &row.text("end").or((!json && !mode.has("--more")).then_some(end)));
        // A table cuts KiB after two decimals.
        let cut = if json { 0 } else { 11 };
        wrong.within("tx_bytes", tx.saturating_sub(cut)..=*tx, row.number("tx_bytes").unwrap_or(u64::MAX));
        wrong.within("rx_bytes", rx.saturating_sub(cut)..=*rx, row.number("rx_bytes").unwrap_or(u64::MAX));
        if json {
            let errors = match end.as_str() {
                "reset" => Field::OneOf(vec!["ECONNRESET", "EPIPE"]),
                "timeout" => Field::Is("ETIMEDOUT"),
                "refused" => Field::Is("ECONNREFUSED"),
                _ => Field::Absent,
            };
            wrong.field("error", &errors, row.text("error"));
        }
        if let Some(info) = info.as_ref().filter(|_| json) {
            // The end itself takes a few segments more, and may take one of them again.
            let few = |before: u32, more: u64| u64::from(before)..=u64::from(before) + more;
            wrong.within("retransmits", few(info.retransmits, 3), row.number("retransmits").unwrap_or(u64::MAX));
            wrong.within("segs_out", few(info.segs_out, 8), row.number("segs_out").unwrap_or(u64::MAX));
            wrong.within("segs_in", few(info.segs_in, 8), row.number("segs_in").unwrap_or(u64::MAX));
            wrong.within("rcv_ooo", few(info.rcv_ooo, 1), row.number("rcv_ooo").unwrap_or(u64::MAX));
            wrong.is("cong", &Some(info.cong.as_str()), &row.text("cong"));
            if let Some(rtt) = info.min_rtt.filter(|&rtt| rtt > 0) {
                wrong.within("min_rtt_ns", 0..=u64::from(rtt) * 1000, row.number("min_rtt_ns").unwrap_or(0));
                wrong.is("srtt_ns", &true, &row.has("srtt_ns"));
            }
        }
        wrong.all()
    }
}

/// No name is invented.
fn nobody(row: &Row, wrong: &mut Differing) {
    wrong.is("pid", &None, &row.pid());
    wrong.is("uid", &None, &row.number::<u32>("uid"));
    wrong.is("comm", &true, &row.text("comm").is_none_or(|comm| comm == "-"));
    wrong.is("tid", &false, &row.has("tid"));
    wrong.is("cgroup_id", &false, &row.has("cgroup_id"));
    wrong.is("pid_from", &false, &row.has("pid_from"));
}

fn duration(born: Option<(Moment, Moment)>, ended: &Ended, row: &Row, wrong: &mut Differing) {
    let Some((from, to)) = born else {
        wrong.is("duration_ns", &false, &row.has("duration_ns"));
        return;
    };
    let tolerance = clock_tolerance_ns();
    let least = ended.by.began.boot_ns.saturating_sub(to.boot_ns).saturating_sub(tolerance);
    let most = ended.by.returned.boot_ns - from.boot_ns + tolerance;
    wrong.within("duration_ns", least..=most, row.number("duration_ns").unwrap_or(u64::MAX));
}

/// Whose row it is, and by what that is known.
fn owner(setup: Setup, users: &Users, ended: &Ended) -> Option<(Doer, &'static str)> {
    let read = users.read.clone().filter(|_| setup.backend == Backend::Tracepoint).map(|by| (by, "recv"));
    // A state that the socket leaves for CLOSE at once says nothing of who does that, without its lock.
    let sees_close = !(setup.classic && ended.end == "aborted" && allowed("no-btf"));
    let closed = users.closed.clone().filter(|_| sees_close).map(|by| (by, "close"));
    let later = read.or(closed);
    if ended.born.is_none() {
        let hidden = setup.classic && allowed("no-btf") || setup.hides_nested_pids() && allowed("nested-pids");
        let open = users.open.clone().map(|by| (Doer { cgroup_id: None, ..by }, "open"));
        return if hidden || users.shared { later } else { open };
    }
    if let Some(by) = &users.connected {
        return Some((by.clone(), "connect"));
    }
    match &users.accepted {
        Some(by) if !(setup.backend == Backend::Tracepoint && allowed("by-reader")) => Some((by.clone(), "accept")),
        _ => later,
    }
}

/// The kernel skips perf-attached programs while another such program, or a bpf(2) map operation, runs on
/// that CPU.
pub fn may_be_skipped(_backend: Backend) -> bool {
    allowed("skipped")
}

/// Over every kind of end, machine and mode.
fn ask_for_all() {
    let by = || Some(Doer::default());
    let plain = Ended {
        by: Doer::default(),
        users: Users { accepted: by(), open: by(), closed: by(), ..Users::default() },
        local: None,
        remote: ([127, 0, 0, 1], 1).into(),
        born: Some(Default::default()),
        tx: 0,
        rx: 0,
        end: "reset".to_owned(),
        info: None,
        failed: false,
        pending: false,
    };
    let nested = Users { connected: Some(Doer::default().nested()), ..Users::default() };
    let every = [Ended { born: None, ..plain.clone() }, Ended { users: nested, ..plain.clone() }, plain];
    for setup in Setup::every() {
        for mode in MODES {
            every.iter().for_each(|ended| drop(TcpLife::expected(setup, mode, ended)));
        }
        may_be_skipped(setup.backend);
    }
}
