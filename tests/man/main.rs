//! The manual pages in man/man8 are made here, from the command lines and the tools' `Manual`s. A
//! page that is not what would be made now is a failure; `make man` (BLESS=1) writes it.

mod page;
mod prose;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Write;
use std::io::stderr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::sync::LazyLock;

use bpftools::cli;
use bpftools::tools;
use bpftools::tools::Entry;
use clap_mangen::roff::bold;
use clap_mangen::roff::roman;

use page::Page;
use prose::Rows;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("man/man8")
}

/// All pages, by the names of their files; with BLESS=1 written, before any test looks at a file.
static PAGES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let tools = tools::ALL.iter().map(|tool| (format!("{}.8", tool.name), tool_page(tool)));
    let pages: BTreeMap<_, _> = tools.chain([(format!("{}.8", cli::NAME), bpftools_page())]).collect();
    if env::var_os("BLESS").is_some_and(|bless| bless == "1") {
        fs::create_dir_all(folder()).unwrap();
        pages.iter().for_each(|(name, page)| fs::write(folder().join(name), page).unwrap());
    }
    pages
});

fn tool_page(tool: &Entry) -> String {
    let mut command = tool.command();
    command.build();
    let operands: Vec<_> = command
        .get_positionals()
        .map(|operand| format!(" [{}", operand.get_value_names().unwrap_or_default().join(" ")))
        .collect();
    let usage = format!("{} [OPTION]...{}{}", tool.name, operands.concat(), "]".repeat(operands.len()));
    let synopsis = [usage.clone(), format!("{} {usage}", cli::NAME)];
    let mut page = Page::new(command.clone(), &synopsis);
    let manual = &tool.manual;

    page.section("DESCRIPTION");
    page.paragraphs(manual.description);
    page.section("OPTIONS");
    page.paragraphs(prose::OPTIONS);
    page.arguments(&command);
    page.section("OUTPUT");
    page.paragraphs(prose::OUTPUT);
    page.section("FIELDS");
    page.paragraphs(prose::FIELDS);
    for field in tool.all_fields() {
        page.tagged([bold(field.header), roman(", "), bold(field.key)], field.about);
    }
    page.section("JSON");
    page.paragraphs(prose::JSON);
    rows(&mut page, prose::JSON_LOSSES);
    page.section("COUNTING");
    page.paragraphs(prose::COUNTING);
    page.paragraphs(&[&format!("By default {} counts by {}.", tool.name, list(tool.counted_by))]);
    page.section("EXAMPLES");
    rows(&mut page, manual.examples);
    page.section("BACKENDS");
    page.paragraphs(prose::BACKENDS);
    rows(&mut page, manual.backends);
    if !manual.differences.is_empty() {
        page.paragraphs(prose::DIFFERENCES);
        for difference in manual.differences {
            page.tagged([bold(difference.when)], difference.what);
        }
    }
    page.section("PRIVILEGES");
    page.paragraphs(prose::PRIVILEGES);
    page.section("LOSSES");
    page.paragraphs(prose::LOSSES);
    page.section("OVERHEAD");
    page.paragraphs(manual.overhead);
    page.section("EXIT STATUS");
    rows(&mut page, prose::EXIT_STATUS);
    page.section("ENVIRONMENT");
    rows(&mut page, prose::ENVIRONMENT);
    page.section("SEE ALSO");
    let others = tools::ALL.iter().filter(|other| other.name != tool.name).map(|other| format!("{}(8)", other.name));
    let own = manual.see_also.iter().map(ToString::to_string);
    let all: Vec<_> = [format!("{}(8)", cli::NAME)].into_iter().chain(others).chain(own).collect();
    page.paragraphs(&[&all.join(", ")]);
    page.render()
}

fn bpftools_page() -> String {
    let command = cli::command();
    let usages = ["TOOL [OPTION]...", "check [--json]", "completion SHELL [TOOL]", "help [TOOL]", "--list"];
    let usages = usages.iter().chain(&["--install DIR [-s] [-f]"]).map(|usage| format!("{} {usage}", cli::NAME));
    let links = ["TOOL [OPTION]...", "bpf-TOOL [OPTION]..."].map(ToOwned::to_owned);
    let mut page = Page::new(command.clone(), &usages.chain(links).collect::<Vec<_>>());
    let mut built = command;
    built.build();

    page.section("DESCRIPTION");
    page.paragraphs(prose::BPFTOOLS);
    page.section("TOOLS");
    for tool in tools::ALL {
        let about = tool.command().get_about().map(ToString::to_string).unwrap_or_default();
        page.tagged([bold(tool.name)], &format!("{about}: see {}(8).", tool.name));
    }
    page.section("NAMES");
    page.paragraphs(prose::NAMES);
    page.section("COMMANDS");
    rows(&mut page, prose::COMMANDS);
    page.section("OPTIONS");
    page.arguments(&built);
    page.section("CHECK");
    page.paragraphs(prose::CHECK);
    page.section("EXAMPLES");
    rows(&mut page, prose::BPFTOOLS_EXAMPLES);
    page.section("EXIT STATUS");
    rows(&mut page, prose::BPFTOOLS_EXIT_STATUS);
    page.section("SEE ALSO");
    let all: Vec<_> = tools::ALL.iter().map(|tool| format!("{}(8)", tool.name)).collect();
    page.paragraphs(&[&format!("{}, bpftool(8), bpf(2), capabilities(7)", all.join(", "))]);
    page.render()
}

/// `a`, `b` and `c`.
fn list(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match &words[..] {
        [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        words => words.concat(),
    }
}

fn rows(page: &mut Page, rows: Rows) {
    for &(tag, text) in rows {
        page.tagged([bold(tag)], text);
    }
}

#[test]
fn pages_are_as_they_would_be_made_now() {
    let is_stale =
        |name: &String, page: &String| !fs::read_to_string(folder().join(name)).is_ok_and(|there| there == *page);
    let stale: Vec<_> = PAGES.iter().filter(|(name, page)| is_stale(name, page)).map(|(name, _)| &name[..]).collect();
    assert!(stale.is_empty(), "stale in man/man8: {}; `make man` writes them", stale.join(", "));
}

#[test]
fn no_page_is_left_of_a_tool_that_is_gone() {
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(PAGES.contains_key(&name), "man/man8/{name} belongs to no tool");
    }
}

/// Runs a program on the pages; where it is not installed, says so past libtest, which would keep it
/// to itself.
fn output(test: &str, command: &mut Command) -> Option<Output> {
    match command.current_dir(env!("CARGO_MANIFEST_DIR")).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let program = command.get_program().to_string_lossy();
            #[expect(clippy::explicit_write)]
            writeln!(stderr(), "{test}: skipped: no {program} here").unwrap();
            None
        }
        output => Some(output.unwrap()),
    }
}

#[test]
fn groff_has_nothing_to_complain_of() {
    for name in PAGES.keys() {
        let path = folder().join(name);
        let mut groff = Command::new("groff");
        let Some(output) = output("groff", groff.args(["-man", "-ww", "-z"]).arg(&path)) else { return };
        assert!(output.status.success(), "{name}: {}", output.status);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
    }
}

#[test]
fn man_finds_our_pages_and_sets_them_in_80_columns() {
    for name in PAGES.keys() {
        let man = |arguments: &[&str]| {
            let mut command = Command::new("man");
            command.args(arguments).arg(name.trim_end_matches(".8"));
            let command = command.env("MANPATH", "man").env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8");
            output("man", command.env_remove("MANOPT").env("GROFF_NO_SGR", "1"))
        };
        let Some(found) = man(&["-w"]) else { return };
        let found = String::from_utf8(found.stdout).unwrap();
        let found = Path::new(env!("CARGO_MANIFEST_DIR")).join(found.trim_end());
        let own = folder().join(name);
        assert_eq!(fs::canonicalize(found).unwrap(), fs::canonicalize(&own).unwrap());

        let Some(set) = man(&["-P", "cat"]) else { return };
        for line in String::from_utf8(set.stdout).unwrap().lines() {
            assert!(shown(line).chars().count() <= 80, "{name}: {line}");
        }
    }
}

/// The line without what is struck over (`x`, backspace, `x`: bold).
fn shown(line: &str) -> String {
    let mut shown = String::new();
    for char in line.chars() {
        match char {
            '\u{8}' => drop(shown.pop()),
            _ => shown.push(char),
        }
    }
    shown
}
