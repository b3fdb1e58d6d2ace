//! The text, JSON and CSV contracts, for every tool of the registry: rows of made-up events (tests/samples) against golden
//! files (`BLESS=1` writes them) and the schema, and rows of random bytes against what every line must be.

mod samples;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bpftools::kernel::event::decode;
use bpftools::tools;
use bpftools::tools::Entry;
use proptest::prelude::*;
use samples::Sample;

#[test]
fn every_tool_has_samples() {
    // A tool whose programs count has no rows, and so no --fields.
    let has_rows = |tool: &&Entry| tool.command().get_arguments().any(|argument| argument.get_long() == Some("fields"));
    let with_rows = tools::ALL.iter().filter(has_rows).map(|tool| tool.name);
    assert!(samples::ALL.iter().map(|sample| sample.tool).eq(with_rows));
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

/// The default table, one with all columns, and both other forms with all fields.
#[test]
#[ignore = "golden runs it, in UTC"]
fn golden_in_utc() {
    let mut files = Vec::new();
    for Sample { tool, options, more, rows, .. } in samples::ALL {
        let all = |options_of_all: &[&'static str]| rows(&[options_of_all, options].concat());
        files.push((format!("{tool}.txt"), rows(&[])));
        files.push((format!("{tool}-wide.txt"), all(&["-t", "-T", "-U"])));
        files.push((format!("{tool}.json"), all(&["--json"])));
        files.push((format!("{tool}.csv"), all(&["--format", "csv", "-t", "-T"])));
        files.extend(more.iter().map(|(name, options)| (format!("{tool}-{name}.txt"), rows(options))));
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for (file, now) in &files {
        let path = folder.join(file);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, now).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        assert!(golden == *now, "{file} differs (BLESS=1 accepts it):\n{now}");
    }
    for file in fs::read_dir(&folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(files.iter().any(|(file, _)| *file == name), "no test writes {name}");
    }
}

/// What a schema says of a key, the rows keep.
#[test]
fn json_rows_satisfy_the_schema() {
    for Sample { tool, options, rows, .. } in samples::ALL {
        let schema = bpftools::cli::schema::schema(Entry::find(tool).unwrap());
        let properties = &schema["oneOf"][0]["properties"];
        for line in rows(&[&["--json"], *options].concat()).lines().filter(|line| !line.contains("\"lost\"")) {
            let row: serde_json::Value = serde_json::from_str(line).expect(line);
            for (key, value) in row.as_object().unwrap() {
                let expected = properties[key]["type"].as_str().unwrap_or_else(|| panic!("no {key} in {schema}"));
                let right = match expected {
                    "integer" => value.is_u64(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    other => panic!("{other}"),
                };
                assert!(right, "{key} is no {expected}: {line}");
            }
        }
    }
}

/// Every field is known in some row of some sample, so that the golden files show each.
#[test]
fn the_samples_show_every_field() {
    for Sample { tool, options, rows, .. } in samples::ALL {
        let keys = Entry::find(tool).unwrap().all_fields().map(|field| field.key).collect::<Vec<_>>();
        let shown = rows(&[&["--json", "--fields", &keys.join(",")], *options].concat());
        for key in keys {
            assert!(shown.contains(&format!("\"{key}\":")), "no sample of {tool} has {key}");
        }
    }
}

/// At least as many bytes as an event of any tool has.
const LONGEST: usize = 256;

/// Bytes of a record, many of them such as make wide cells, and such as make narrow ones.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(4), Just(6), Just(0x11), any::<u8>()];
    prop::collection::vec(byte, LONGEST)
}

proptest! {
    /// Cells are put together in a line that the rows before were put together in, or copied from them.
    #[test]
    fn no_row_owes_anything_to_the_rows_before(records in prop::collection::vec(record(), 2..6)) {
        // Each twice, and all once more: what is the same as before, and what was before that.
        let records = records.iter().flat_map(|record| [record; 2]).chain(&records).cloned().collect::<Vec<_>>();
        for Sample { options, rows_of, .. } in samples::ALL {
            for form in [&["--no-header", "-T", "-U"][..], &["--json"]] {
                let options = [form, *options].concat();
                let rows = |records: &[Vec<u8>]| {
                    let lines = rows_of(records, &options);
                    let rows = lines.lines().filter(|line| !line.contains("\"lost\""));
                    rows.map(|line| format!("{line}\n")).collect::<String>()
                };
                let alone: String = records.iter().map(|record| rows(std::slice::from_ref(record))).collect();
                prop_assert_eq!(rows(&records), alone);
            }
        }
    }

    /// Whatever the kernel side sends, a row is one line of printable ASCII, and valid JSON.
    #[test]
    fn any_record_makes_one_harmless_line(record in prop::collection::vec(any::<u8>(), LONGEST)) {
        for Sample { options, rows_of, .. } in samples::ALL {
            let line = |more: &[&str]| {
                let lines = rows_of(std::slice::from_ref(&record), &[*options, &["-U", "--no-header", "-t", "-T"], more].concat());
                lines.lines().next().unwrap().to_owned()
            };
            let json = line(&["--json"]);
            for row in [&line(&[]), &line(&["--format", "csv"]), &json] {
                prop_assert!(row.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", row);
            }
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        }
    }

    #[test]
    fn records_of_another_size_are_no_events(bytes: Vec<u8>) {
        prop_assert_eq!(decode::<u64>(&bytes).is_some(), bytes.len() == size_of::<u64>());
    }
}
