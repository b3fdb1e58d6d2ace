//! The modules of src/ are floors of a house: what one uses lies on its own floor or below it, and no two use
//! each other. Read off the `use` lines.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// From the top down, as lib.rs and CONTRIBUTING have them.
const FLOORS: &[&[&str]] = &[
    &["main"],
    &["lib"],
    &["cli"],
    &["tools"],
    &["run"],
    &["tool", "options", "fields"],
    &["backends", "identity"],
    &["kernel", "privileges"],
    &["output"],
];

/// The modules that a file uses, by the path of their names: `["kernel", "maps"]`.
type Uses = BTreeMap<Vec<String>, Vec<Vec<String>>>;

#[test]
fn no_arrow_goes_up() {
    let uses = uses();
    assert!(uses.len() > 40, "src/ was not read");
    for (user, used) in &uses {
        for used in used {
            assert!(floor(user) <= floor(used), "{} uses {}, which is above it", user.join("::"), used.join("::"));
        }
    }
}

#[test]
fn no_two_modules_use_each_other() {
    let uses = uses();
    let mut roots: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for (user, used) in &uses {
        let others = used.iter().map(|used| used[..1].to_vec()).filter(|used| used[0] != user[0]);
        roots.entry(user[..1].to_vec()).or_default().extend(others);
    }
    let roots = roots.into_iter().map(|(user, used)| (user, used.into_iter().collect())).collect();
    for graph in [uses, roots] {
        if let Some(circle) = circle(&graph) {
            panic!("a circle: {}", circle.iter().map(|name| name.join("::")).collect::<Vec<_>>().join(" → "));
        }
    }
}

fn floor(module: &[String]) -> usize {
    let is_there = |floor: &&[&str]| floor.contains(&&*module[0]);
    FLOORS.iter().position(is_there).unwrap_or_else(|| panic!("{} has no floor", module[0]))
}

/// What each file of src/ uses of the others. A module that passes on what its own parts have does not use them.
fn uses() -> Uses {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    read(&src, &mut vec![], &mut files);
    let modules: BTreeSet<_> = files.keys().cloned().collect();
    let of_file = |(user, text): (&Vec<String>, &String)| {
        let used = text.lines().filter_map(|line| used_by(user, line)).filter_map(|path| deepest(&modules, &path));
        (user.clone(), used.filter(|used| used != user).collect())
    };
    files.iter().map(of_file).collect()
}

fn read(folder: &Path, names: &mut Vec<String>, files: &mut BTreeMap<Vec<String>, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            names.push(name);
            read(&path, names, files);
            names.pop();
        } else {
            let text = fs::read_to_string(&path).unwrap();
            let own = (name != "mod").then_some(name);
            files.insert(names.iter().cloned().chain(own).collect(), text);
        }
    }
}

/// The path that a `use` line of the module `user` names, from the crate on.
fn used_by(user: &[String], line: &str) -> Option<Vec<String>> {
    let path = line.strip_prefix("use ")?.strip_suffix(';')?;
    let words: Vec<_> = path.split("::").map(str::to_owned).collect();
    match &*words[0] {
        "crate" | "bpftools" => Some(words[1..].to_vec()),
        "super" => Some([&user[..user.len() - 1], &words[1..]].concat()),
        _ => None,
    }
}

/// The file in which the last part of a path is found.
fn deepest(modules: &BTreeSet<Vec<String>>, path: &[String]) -> Option<Vec<String>> {
    (1..=path.len()).rev().map(|len| path[..len].to_vec()).find(|module| modules.contains(module))
}

fn circle(uses: &Uses) -> Option<Vec<Vec<String>>> {
    fn visit(at: &Vec<String>, uses: &Uses, way: &mut Vec<Vec<String>>, done: &mut BTreeSet<Vec<String>>) -> bool {
        if let Some(start) = way.iter().position(|before| before == at) {
            way.drain(..start);
            way.push(at.clone());
            return true;
        }
        if done.contains(at) {
            return false;
        }
        way.push(at.clone());
        if uses.get(at).is_some_and(|used| used.iter().any(|next| visit(next, uses, way, done))) {
            return true;
        }
        way.pop();
        done.insert(at.clone());
        false
    }
    let (mut way, mut done) = (vec![], BTreeSet::new());
    uses.keys().any(|module| visit(module, uses, &mut way, &mut done)).then_some(way)
}

#[test]
fn an_arrow_and_a_circle_are_found() {
    let names = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(used_by(&names("backends::attach"), "use super::layout;"), Some(names("backends::layout")));
    assert_eq!(used_by(&names("main"), "use bpftools::cli;"), Some(names("cli")));
    assert_eq!(used_by(&names("cli"), "use std::io;"), None);
    assert!(floor(&names("run")) < floor(&names("tool")));
    let graph = |edges: &[(&str, &str)]| edges.iter().map(|(from, to)| (names(from), vec![names(to)])).collect();
    assert_eq!(circle(&graph(&[("a", "b"), ("b", "c")])), None);
    assert_eq!(circle(&graph(&[("a", "b"), ("b", "a")])), Some(["a", "b", "a"].map(names).to_vec()));
}
