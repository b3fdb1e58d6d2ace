//! A field has one name: what the tests call by it is in the tool's own list of fields, in tests/common in that of
//! every tool.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use bpftools::tools;
use bpftools::tools::Entry;

/// What takes the name of a field as its first argument.
const METHODS: [&str; 8] = [".number", ".flag", ".address", ".text", ".has", ".field", ".is", ".within"];

/// Options that take names of fields.
const OPTIONS: [&str; 6] = ["--fields", "--by", "--sum", "--quantiles", "--hist", "--sort"];

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// The string that begins here, if one does.
fn string(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.split('"').next()
}

/// All names of fields in a source.
fn named(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for method in METHODS {
        for (at, _) in text.match_indices(method) {
            let mut rest = &text[at + method.len()..];
            if let Some(generic) = rest.strip_prefix("::<") {
                rest = generic.split_once('>').map_or("", |(_, rest)| rest);
            }
            // Options and sentences are no names.
            names.extend(rest.strip_prefix('(').and_then(string).filter(|name| !name.contains(['-', ' ', '{'])));
        }
    }
    for option in OPTIONS {
        for (at, _) in text.match_indices(&format!("\"{option}\", \"")) {
            let value = string(&text[at + option.len() + 4..]).unwrap_or_default();
            names.extend(value.split(',').map(|name| name.trim_start_matches(['+', '-'])));
        }
    }
    names
}

fn check(folder: &Path, tools: &[&Entry]) -> usize {
    let sources = sources(folder);
    let mut all = 0;
    for (path, text) in &sources {
        for name in named(text) {
            all += 1;
            for tool in tools {
                let known = tool.all_fields().any(|field| field.key == name);
                assert!(known, "{}: {} has no field {name}", path.display(), tool.name);
            }
        }
    }
    all
}

#[test]
fn tests_name_fields_as_the_lists_do() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    // What tests have in common is of rows; a tool whose programs count has none, and so no --fields.
    let has_rows = |tool: &&Entry| tool.command().get_arguments().any(|argument| argument.get_long() == Some("fields"));
    let every = tools::ALL.iter().filter(has_rows).collect::<Vec<_>>();
    assert!(check(&tests.join("common"), &every) > 0);
    for tool in tools::ALL {
        let says = format!("const TOOL: &'static str = \"{}\";", tool.name);
        let is_its = |path: &PathBuf| sources(path).iter().any(|(_, text)| text.contains(&says));
        let mut folders = fs::read_dir(&tests).unwrap().map(|entry| entry.unwrap().path());
        let folder = folders.find(|path| path.is_dir() && is_its(path));
        let folder = folder.unwrap_or_else(|| panic!("no folder of tests says it is {}'s", tool.name));
        assert!(check(&folder, &[tool]) > 0, "{} looks at no field", tool.name);
    }
}

#[test]
fn names_are_found() {
    let text =
        r#"row.number::<u64>("a") row.has("b") mode.has("--c") wrong.is("d e", 1) ["--by", "f,g"] ["--fields", "+h"]"#;
    assert_eq!(named(text), ["a", "b", "h", "f", "g"]);
}
