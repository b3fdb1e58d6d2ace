//! The command line, as far as it needs no privileges: names, help, lists, usage errors, exit codes.

#[path = "common/binary.rs"]
#[allow(dead_code)] // the root tests say which binary they test
mod binary;

use std::collections::BTreeSet;
use std::io::Write;
use std::io::stderr as standard_error;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::process::Output;

use serde_json::Value;

fn called_as(name: &str, args: &[&str]) -> Output {
    Command::new(binary::path()).arg0(name).args(args).output().expect("the binary starts")
}

fn bpftools(args: &[&str]) -> Output {
    called_as("bpftools", args)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn alone_it_prints_help() {
    let output = bpftools(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("tcpconnect"), "{}", stdout(&output));
    assert_eq!(stdout(&output), stdout(&bpftools(&["-h"])));
}

#[test]
fn the_name_it_is_called_by_chooses_the_tool() {
    let help = stdout(&bpftools(&["tcpconnect", "--help"]));
    assert!(help.contains("--outcome"), "{help}");
    assert_eq!(stdout(&bpftools(&["help", "tcpconnect"])), help);
    for name in ["tcpconnect", "bpf-tcpconnect", "/usr/sbin/tcpconnect"] {
        let output = called_as(name, &["--version"]);
        assert!(stdout(&output).starts_with("tcpconnect "), "{name}: {}", stdout(&output));
        assert!(stdout(&called_as(name, &["--help"])).contains("--outcome"));
    }
    for name in ["bpftools", "renamed", "bpf-bpf-tcpconnect", "xtcpconnect", "tcpconnect2"] {
        let output = called_as(name, &["--version"]);
        assert!(stdout(&output).starts_with("bpftools "), "{name}: {}", stdout(&output));
    }
}

#[test]
fn list_prints_one_tool_a_line() {
    let list = stdout(&bpftools(&["--list"]));
    assert!(list.lines().any(|line| line == "tcpconnect"), "{list}");
    assert!(list.lines().all(|line| !line.contains(' ')), "{list}");
}

#[test]
fn an_unknown_tool_is_named_with_the_nearest_and_the_list() {
    let output = bpftools(&["tcpconect"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let message = stderr(&output);
    assert!(message.contains("'tcpconnect'") && message.contains("\nTools: tcpconnect"), "{message}");
    for args in [&["nothing-like-it"][..], &["help", "nothing-like-it"]] {
        let output = bpftools(args);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("\nTools: tcpconnect"), "{}", stderr(&output));
    }
}

#[test]
fn bad_values_exit_2_and_start_nothing() {
    for args in [
        &["-p", "0"][..],
        &["-f"],
        &["-p", "x"],
        &["-p", "1,,2"],
        &["-P", "65536"],
        &["-P", "90-80"],
        &["-u", "no-such-user"],
        &["-4", "-6"],
        &["--duration", "0"],
        &["-n", "0"],
        &["--buffer-size", "1.5M"],
        &["--backend", "dtrace"],
        &["--format", "xml"],
        &["--fields", "nothing"],
        &["--fields", "pid,pid"],
        &["--by", "ts"],
        &["--sum", "comm"],
        &["--hist", "daddr"],
        &["--sort", "p99", "-c"],
        &["-i", "1"],
        &["-c", "-i", "0.001"],
        &["--top", "3"],
        &["-c", "-T"],
        &["--by", "tool"],
        &["-c", "--fields", "pid"],
        &["--hist", "latency_ns", "--sum", "latency_ns"],
        &["--max-in-flight", "0"],
        &["--hist", "latency_ns"],
        &["--fields", "+result"],
        &["--by", "result"],
        &["stray"],
        &["--no-such-option"],
    ] {
        let output = bpftools(&[&["tcpconnect"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(stderr(&output).starts_with("error: "), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn good_values_are_understood() {
    for args in [
        &["-P", "80,443,8000-8080", "-P", "22"][..],
        &["-p", "1,2", "-p", "3"],
        &["-u", "root,1000"],
        &["-s"],
        &["--json", "--json", "--format", "csv", "--format", "table"],
        &["-c", "--rows", "4", "--sort", "dport"],
        &["--backend", "sock:inet_sock_set_state"],
        &["-vv", "-tTUL", "-n", "3", "--duration", "0.5", "--buffer-size", "3M"],
    ] {
        let output = bpftools(&[&["tcpconnect"], args, &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    }
}

/// Those of bcc's tcprtt, but for `-p`, which is a process in all tools.
#[test]
fn tcprtt_takes_the_options_of_its_peers() {
    for good in [
        &["1", "10"][..],
        &["-i", "1", "-d", "10", "-T", "-m", "-e", "-b", "-B"],
        &["-a", "10.0.0.0/8", "-A", "192.0.2.1,2001:db8::/32", "-L", "80,443", "-D", "1-1023"],
        &["--lport", "1", "--rport", "2", "--localport", "3", "--remoteport", "4"],
        &["-P", "80", "-6", "--by", "uid,cgroup_id,netns,ip", "--max-groups", "8", "--top", "3", "--sort", "p99"],
    ] {
        let output = bpftools(&[&["tcprtt"], good, &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0), "{good:?}: {}", stderr(&output));
    }
    for (bad, word) in [
        (&["-p", "80"][..], "-L filters by local port"),
        (&["-P", "80", "-L", "80"], "cannot be used with"),
        (&["1", "-i", "1"], "cannot be used with"),
        (&["--by", "pid"], "no field `pid`"),
        (&["--by", "rtt_ns"], "what the histogram is of"),
        (&["--by", "laddr", "-b"], "twice"),
        (&["--buffer-size", "1M"], "unexpected argument"),
        (&["0"], "must be"),
    ] {
        let output = bpftools(&[&["tcprtt"], bad].concat());
        assert_eq!(output.status.code(), Some(2), "{bad:?}");
        assert!(stderr(&output).contains(word), "{bad:?}: {}", stderr(&output));
    }
}

/// Whether a tool has an option: not all have rows, which have fields and a task.
fn has(tool: &str, option: &str) -> bool {
    let command = bpftools::tools::Entry::find(tool).expect("a tool").command();
    command.get_arguments().any(|argument| argument.get_long() == Some(option))
}

/// What all tools share is there in each.
#[test]
fn every_tool_has_the_common_options() {
    let common = ["-4", "--duration", "0.5", "--no-header", "--json", "-vv", "--backend", "kprobe"];
    let common = [&common[..], &["-P", "22,80-90", "--help"]].concat();
    let of_rows: &[_] = &["-p", "1", "-u", "root", "-tTU", "-n", "3", "--buffer-size", "3M"];
    for tool in stdout(&bpftools(&["--list"])).lines() {
        let of_rows = if has(tool, "fields") { of_rows } else { &[] };
        let output = bpftools(&[&[tool], of_rows, &common[..]].concat());
        assert_eq!(output.status.code(), Some(0), "{tool}: {}", stderr(&output));
        let version = stdout(&called_as(&format!("bpf-{tool}"), &["--version"]));
        assert!(version.starts_with(&format!("{tool} ")), "{version}");
        assert_eq!(bpftools(&[tool, "-4", "-6"]).status.code(), Some(2));
        assert!(stdout(&bpftools(&["completion", "bash", tool])).contains("--backend"), "{tool}");
    }
}

/// What prints, and nothing else.
const PRINTING: &[&[&str]] = &[
    &[],
    &["--help"],
    &["--version"],
    &["--list"],
    &["completion", "zsh"],
    &["check"],
    &["check", "--json"],
    &["help", "tcpconnect"],
    &["tcpconnect", "--help"],
    &["tcpconnect", "--version"],
];

#[test]
fn a_full_disk_is_a_failure_in_words() {
    for args in PRINTING {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(binary::path()).args(*args).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stderr(&output));
        let said = stderr(&output);
        assert!(
            said.contains("cannot write to stdout (No space left") && said.lines().count() == 1,
            "{args:?}: {said}"
        );
    }
}

#[test]
fn a_closed_pipe_is_none() {
    for args in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(binary::path()).args(*args).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(stderr(&output), "", "{args:?}");
    }
}

/// Nothing panics where stderr takes nothing.
#[test]
fn errors_without_a_stderr_have_their_exit_code() {
    for (args, code) in [(&["--no-such-option"][..], 2), (&["no-such-tool"], 2), (&["--install", "/nonexistent"], 1)] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let status = Command::new(binary::path()).args(args).stderr(full).status().unwrap();
        assert_eq!(status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn fields_are_listed_and_have_a_schema() {
    for tool in stdout(&bpftools(&["--list"])).lines().filter(|tool| has(tool, "fields")) {
        let list = stdout(&bpftools(&[tool, "--fields", "list"]));
        let schema = stdout(&bpftools(&["schema", tool]));
        let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
        let properties = schema["oneOf"][0]["properties"].as_object().unwrap();
        let mut lines = list.lines();
        assert!(lines.next().unwrap().starts_with("FIELD "), "{list}");
        for line in lines {
            let key = line.split_whitespace().next().unwrap();
            assert!(properties.contains_key(key), "{tool}: no {key} in its schema");
        }
    }
}

/// Objects of groups have the fields' keys beside their own.
#[test]
fn no_field_is_called_as_something_of_a_group() {
    for tool in bpftools::tools::ALL {
        for field in tool.all_fields() {
            let taken = [
                "kind",
                "count",
                "other",
                "field",
                "rows",
                "mean",
                "p50",
                "p90",
                "p99",
                "max",
                "buckets",
                "interval_ns",
            ];
            assert!(!taken.contains(&field.key), "{}", field.key);
            assert!(
                !["sum_", "p50_", "p90_", "p99_", "max_"].iter().any(|name| field.key.starts_with(name)),
                "{}",
                field.key
            );
        }
    }
}

#[test]
fn install_links_every_tool() {
    let dir = std::env::temp_dir().join(format!("bpftools-install-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let path = dir.to_str().unwrap();
    let link = dir.join("tcpconnect");
    assert_eq!(bpftools(&["--install", path, "-s"]).status.code(), Some(0));
    for tool in stdout(&bpftools(&["--list"])).lines() {
        assert!(dir.join(tool).exists(), "{tool}");
    }
    assert!(link.symlink_metadata().unwrap().is_symlink());
    let version = Command::new(&link).arg("-V").output().unwrap();
    assert!(stdout(&version).starts_with("tcpconnect "));

    let again = bpftools(&["--install", path, "-s"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("exists; -f replaces it"), "{}", stderr(&again));
    std::fs::remove_file(&link).unwrap();
    symlink("/nonexistent", &link).unwrap();
    assert_eq!(bpftools(&["--install", "-s", "-f", path]).status.code(), Some(0));
    assert!(link.exists());
    for args in [&["--install"][..], &["--install", "-s"], &["--install", "-s", path, path], &["--install", path, path]]
    {
        assert_eq!(bpftools(args).status.code(), Some(2), "{args:?}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// A link that cannot be made costs nothing that was there, and none leaves another name behind.
#[test]
fn install_replaces_a_link_or_leaves_it() {
    let pid = std::process::id();
    let elsewhere = Path::new("/dev/shm").join(format!("bpftools-install-{pid}"));
    std::fs::create_dir(&elsewhere).unwrap();
    let old = elsewhere.join("tcpconnect");
    std::fs::write(&old, "old").unwrap();
    let device = |path: &Path| std::fs::metadata(path).unwrap().dev();
    assert_ne!(device(&elsewhere), device(&binary::path()), "no other file system to try it with");
    let output = bpftools(&["--install", elsewhere.to_str().unwrap(), "-f"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("-s makes symbolic links"), "{}", stderr(&output));
    assert_eq!(std::fs::read(&old).unwrap(), b"old");
    std::fs::remove_dir_all(&elsewhere).unwrap();

    let dir = binary::path().with_file_name(format!("bpftools-install-{pid}"));
    std::fs::create_dir(&dir).unwrap();
    for force in [&["-f"][..], &["-f"], &["-f", "-s"], &["-f"]] {
        let output = bpftools(&[&["--install", dir.to_str().unwrap()], force].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let mut names: Vec<String> =
            dir.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        let mut tools: Vec<String> = stdout(&bpftools(&["--list"])).lines().map(String::from).collect();
        tools.sort();
        assert_eq!(names, tools);
        assert_eq!(dir.join("tcpconnect").symlink_metadata().unwrap().is_symlink(), force.contains(&"-s"));
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn completions_know_the_tool() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&bpftools(&["completion", shell]));
        assert!(script.contains("tcpconnect") && script.contains("outcome"), "{shell}");
        let script = stdout(&bpftools(&["completion", shell, "tcpconnect"]));
        assert!(script.contains("outcome") && !script.contains("bpftools"), "{shell}");
    }
}

/// The same binary wherever it was built: `make reproducible` shows that, this sees what would break it. Only the
/// release build, which make passes on, is without them.
#[test]
fn the_binary_that_ships_names_no_file_of_the_machine_that_built_it() {
    let Some(binary) = binary::named() else {
        return say("the_binary_that_ships_names_no_file: skipped: BPFTOOLS does not name the release build");
    };
    let bytes = std::fs::read(binary).unwrap();
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+-".contains(&byte);
    // of the standard library, as its makers built it
    let everywhere = |path: &str| ["/rustc/", "/rust/deps/"].iter().any(|folder| path.starts_with(folder));
    let mut found: Vec<String> = Vec::new();
    for path in bytes.split(|byte| !in_path(*byte)).map(String::from_utf8_lossy) {
        // one string may follow another without an end between them
        let of_source = [".rs", ".c", ".h"].iter().any(|end| path.ends_with(end) || path.contains(&format!("{end}/")));
        let absolute = path.starts_with('/') && !path.starts_with("//") && !everywhere(&path);
        if of_source && absolute || path.starts_with(env!("CARGO_MANIFEST_DIR")) || path.contains("/registry/src/") {
            found.push(path.into_owned());
        }
    }
    assert!(found.is_empty(), "{found:#?}\nif target/ is older than scripts/rustc: cargo clean --release");
}

/// It asks for no dynamic loader and no shared library.
#[test]
fn the_binary_is_static() {
    const PT_DYNAMIC: u64 = 2;
    const PT_INTERP: u64 = 3;
    const DT_NULL: u64 = 0;
    const DT_NEEDED: u64 = 1;
    let elf = std::fs::read(binary::path()).unwrap();
    assert!(elf.starts_with(b"\x7fELF\x02\x01"), "64-bit, little-endian");
    let number =
        |at: usize, size: usize| elf[at..at + size].iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    let (headers, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    assert!(count > 0, "a program has program headers");
    for header in (0..count).map(|nth| (headers + nth * size) as usize) {
        let (kind, from, length) = (number(header, 4), number(header + 8, 8) as usize, number(header + 32, 8) as usize);
        assert_ne!(kind, PT_INTERP, "asks for {}", String::from_utf8_lossy(&elf[from..from + length]));
        if kind == PT_DYNAMIC {
            let tags = (from..from + length).step_by(16).map(|entry| number(entry, 8));
            let needed = tags.take_while(|&tag| tag != DT_NULL).filter(|&tag| tag == DT_NEEDED).count();
            assert_eq!(needed, 0, "asks for {needed} shared libraries");
        }
    }
}

/// Of the release build: README states what it is today.
#[test]
fn the_binary_is_small() {
    const LIMIT: u64 = 4_000_000;
    let Some(path) = binary::named() else {
        return say("the_binary_is_small: skipped: BPFTOOLS does not name the release build");
    };
    let size = std::fs::metadata(path).unwrap().len();
    assert!(size <= LIMIT, "{size} bytes, more than {LIMIT}");
}

/// Past libtest, which keeps to itself what a test that passes prints.
fn say(line: &str) {
    #[expect(clippy::explicit_write)]
    writeln!(standard_error(), "{line}").unwrap();
}

/// Every tool and every backend is there, each verdict is one of three, and what does not work says why.
#[test]
fn check_as_json_has_its_schema() {
    let output = bpftools(&["check", "--json"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let is = |value: &Value, key: &str, right: fn(&Value) -> bool| {
        assert!(right(&value[key]), "{key} is {}: {report}", value[key]);
    };
    is(&report, "v", |v| *v == 1);
    is(&report, "kernel", Value::is_string);
    is(&report, "architecture", Value::is_string);
    is(&report, "lockdown", Value::is_string);
    is(&report, "btf", Value::is_boolean);
    is(&report, "ipv6", Value::is_boolean);
    is(&report, "capabilities", |names| names.as_array().is_some_and(|names| names.iter().all(Value::is_string)));

    let tools = report["tools"].as_object().expect("tools");
    let listed = stdout(&bpftools(&["--list"]));
    assert_eq!(tools.keys().map(String::as_str).collect::<BTreeSet<_>>(), listed.lines().collect());
    for tool in tools.values() {
        let backends = tool["backends"].as_object().expect("backends");
        assert_eq!(backends.keys().collect::<Vec<_>>(), ["fentry", "kprobe", "tracepoint"]);
        let mut first_that_works = None;
        for (name, backend) in backends {
            match backend["works"].as_str() {
                Some("yes") => {
                    is(backend, "form", Value::is_string);
                    first_that_works = first_that_works.or(Some(name.as_str()));
                }
                Some("no" | "untested") => {
                    is(backend, "form", Value::is_null);
                    is(backend, "refused", |refused| *refused != Value::Array(Vec::new()));
                }
                other => panic!("works is {other:?}: {report}"),
            }
            for refusal in backend["refused"].as_array().expect("refused") {
                is(refusal, "form", Value::is_string);
                is(refusal, "cause", Value::is_string);
                is(refusal, "remedy", |remedy| remedy.is_string() || remedy.is_null());
            }
        }
        assert_eq!(tool["uses"].as_str(), first_that_works);
    }
}
