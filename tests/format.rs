//! The text and JSON contracts: rows of made-up events against golden files (`BLESS=1` writes them),
//! and rows of random bytes against what every line must be.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bpftools::fields;
use bpftools::fields::Context;
use bpftools::fields::Field;
use bpftools::fields::Row;
use bpftools::kernel::event::bytes;
use bpftools::kernel::event::decode;
use bpftools::run::losses::Losses;
use bpftools::tool::Tool;
use bpftools::tools::tcpaccept::TcpAccept;
use bpftools::tools::tcpaccept::types as accept;
use bpftools::tools::tcpconnect::TcpConnect;
use bpftools::tools::tcpconnect::types::caller;
use bpftools::tools::tcpconnect::types::endpoints;
use bpftools::tools::tcpconnect::types::event;
use bpftools::tools::tcpconnect::types::origin;
use bpftools::tools::tcpconnect::types::result;
use proptest::prelude::*;

/// 2023-11-14T22:13:20Z, where boot time is 0.
const WALL_OFFSET: i64 = 1_700_000_000_000_000_000;

fn v4(saddr: [u8; 4], daddr: [u8; 4], sport: u16, dport: u16) -> endpoints {
    let wide = |addr: [u8; 4]| {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&addr);
        bytes
    };
    endpoints { saddr: wide(saddr), daddr: wide(daddr), sport, dport, ip: 4, daddr_known: 1, ..Default::default() }
}

fn named(ts: u64, name: &[u8]) -> event {
    let mut comm = [0; 16];
    comm[..name.len()].copy_from_slice(name);
    let caller = caller { pid: 4242, tid: 4243, uid: 1000 };
    event { origin: origin { ts, cgroup_id: 77, caller, comm, ..Default::default() }, ..Default::default() }
}

/// One event of each shape that a row can have.
fn events() -> Vec<event> {
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

/// The same ends and names, accepted.
fn accepted() -> Vec<accept::event> {
    let backlogs = [Some((0, 128)), Some((4095, 4096)), None];
    let accepted = |(event { origin, ends, .. }, backlog): (event, Option<(u32, u32)>)| {
        let (waiting, limit) = backlog.unwrap_or_default();
        let caller { pid, tid, uid } = origin.caller;
        accept::event {
            origin: accept::origin {
                ts: origin.ts,
                cgroup_id: origin.cgroup_id,
                caller: accept::caller { pid, tid, uid },
                comm: origin.comm,
                ..Default::default()
            },
            ends: accept::endpoints {
                saddr: ends.saddr,
                daddr: ends.daddr,
                sport: ends.sport,
                dport: ends.dport,
                ip: ends.ip,
                daddr_known: 1,
                ..Default::default()
            },
            backlog_known: u8::from(backlog.is_some()),
            backlog: accept::backlog { waiting, limit },
            ..Default::default()
        }
    };
    events().into_iter().zip(backlogs).map(accepted).collect()
}

fn parse<T: Tool>(options: &[&str]) -> T {
    T::parse_from([&[T::NAME], options].concat())
}

fn rows<T: Tool>(events: &[T::Event], options: &[&str]) -> String {
    let tool: T = parse(options);
    let common = tool.output();
    let shown = common.shown(T::FIELDS, &tool.table()).unwrap();
    let mut writer =
        common.writing.format().writer(shown.iter().map(Field::column).collect(), !common.writing.no_header);
    let context = Context::new(T::NAME, WALL_OFFSET);
    let mut out = Vec::new();
    writer.header(&mut out);
    for event in events {
        fields::write(&shown, Row::new(bytes(event), &context), &mut writer, &mut out);
    }
    writer.object(&Losses { ring: 3, map: 2, half: 1, skipped: 3, untold: 1 }.pairs(), &mut out);
    String::from_utf8(out).expect("rows are ASCII")
}

fn golden_path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

#[test]
fn every_tool_has_golden_rows() {
    for tool in bpftools::tools::ALL {
        for format in ["txt", "json", "csv"] {
            let path = golden_path(&format!("{}.{format}", tool.name));
            assert!(path.exists(), "{}: BLESS=1 writes it, once {} has its rows here", path.display(), tool.name);
        }
    }
}

/// The golden files were written in UTC. The zone comes from the environment, which only a process that has
/// no other thread yet may change: so this one has a child of its own.
#[test]
fn golden() {
    let this = std::env::current_exe().unwrap();
    let arguments = ["--exact", "golden_in_utc", "--ignored", "--nocapture"];
    let output = Command::new(this).args(arguments).env("TZ", "UTC").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "golden runs it, in UTC"]
fn golden_in_utc() {
    let connect = |options: &[&str]| rows::<TcpConnect>(&events(), options);
    let accept = |options: &[&str]| rows::<TcpAccept>(&accepted(), options);
    for (file, now) in [
        ("tcpconnect.txt", connect(&[])),
        ("tcpconnect-wide.txt", connect(&["-t", "-T", "-U", "-L", "--outcome"])),
        ("tcpconnect-failed.txt", connect(&["-x", "--no-header"])),
        ("tcpconnect.json", connect(&["--json"])),
        ("tcpconnect.csv", connect(&["--format", "csv", "-T", "-t", "--outcome"])),
        ("tcpaccept.txt", accept(&[])),
        ("tcpaccept-wide.txt", accept(&["-t", "-T", "-U", "--backlog"])),
        ("tcpaccept.json", accept(&["--json", "--backlog"])),
        ("tcpaccept.csv", accept(&["--format", "csv", "--backlog"])),
    ] {
        let path = golden_path(file);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &now).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        assert!(golden == now, "{file} differs (BLESS=1 accepts it):\n{now}");
    }
}

/// What a schema says of a key, the rows keep.
#[test]
fn json_rows_satisfy_the_schema() {
    for (tool, rows) in [
        (TcpConnect::NAME, rows::<TcpConnect>(&events(), &["--json"])),
        (TcpAccept::NAME, rows::<TcpAccept>(&accepted(), &["--json", "--backlog"])),
    ] {
        let schema = bpftools::cli::schema::schema(bpftools::tools::Entry::find(tool).unwrap());
        let properties = &schema["oneOf"][0]["properties"];
        for line in rows.lines().filter(|line| !line.contains("\"lost\"")) {
            let row: serde_json::Value = serde_json::from_str(line).expect(line);
            for (key, value) in row.as_object().unwrap() {
                let expected = properties[key]["type"].as_str().unwrap_or_else(|| panic!("no {key} in {schema}"));
                let right = match expected {
                    "integer" => value.is_u64(),
                    "string" => value.is_string(),
                    other => panic!("{other}"),
                };
                assert!(right, "{key} is no {expected}: {line}");
            }
        }
    }
}

/// Whatever the kernel side sends, a row is one line of printable ASCII, and valid JSON.
fn makes_one_harmless_line<T: Tool>(record: &[u8], options: &[&str]) -> Result<(), TestCaseError> {
    let event: T::Event = decode(&record[..size_of::<T::Event>()]).unwrap();
    let line = |more: &[&str]| {
        let lines = rows::<T>(&[event], &[options, &["--no-header", "-t", "-T"], more].concat());
        lines.lines().next().unwrap().to_owned()
    };
    let json = line(&["--json"]);
    for row in [&line(&[]), &line(&["--format", "csv"]), &json] {
        prop_assert!(row.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", row);
    }
    prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
    Ok(())
}

/// Cells are put together in a line that the rows before were put together in.
fn owes_nothing_to_the_rows_before<T: Tool>(records: &[Vec<u8>], options: &[&str]) -> Result<(), TestCaseError> {
    let events: Vec<T::Event> = records.iter().map(|bytes| decode(&bytes[..size_of::<T::Event>()]).unwrap()).collect();
    let alone: String = events.iter().map(|event| rows::<T>(std::slice::from_ref(event), options)).collect();
    prop_assert_eq!(rows::<T>(&events, options), alone);
    Ok(())
}

/// Bytes of a record, many of them such as make wide cells, and such as make narrow ones.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(4), Just(6), Just(0x11), any::<u8>()];
    prop::collection::vec(byte, 128)
}

proptest! {
    #[test]
    fn no_row_owes_anything_to_the_rows_before(records in prop::collection::vec(record(), 2..6)) {
        owes_nothing_to_the_rows_before::<TcpConnect>(&records, &["--no-header", "-T", "-U", "-L", "--outcome"])?;
        owes_nothing_to_the_rows_before::<TcpAccept>(&records, &["--no-header", "-T", "-U", "--backlog"])?;
    }

    #[test]
    fn any_record_makes_one_harmless_line(bytes in prop::collection::vec(any::<u8>(), 128)) {
        makes_one_harmless_line::<TcpConnect>(&bytes, &["-U", "-L", "--outcome"])?;
        makes_one_harmless_line::<TcpAccept>(&bytes, &["-U", "--backlog"])?;
    }

    #[test]
    fn records_of_another_size_are_no_events(bytes: Vec<u8>) {
        prop_assert_eq!(decode::<event>(&bytes).is_some(), bytes.len() == size_of::<event>());
    }
}
