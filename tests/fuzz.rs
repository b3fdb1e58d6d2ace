//! The targets of fuzz/ for some seconds: what is checked in as their corpus, and changes to it at random, without
//! an eye on coverage. `make fuzz` has one.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;
use proptest::test_runner::TestCaseError;
use proptest::test_runner::TestRunner;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

/// A piece of an input that goes somewhere else, or bytes that do.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Copy(Index, Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, len)| Change::Remove(at, len)),
        (any::<Index>(), any::<Index>(), 1..40_usize).prop_map(|(from, to, len)| Change::Copy(from, to, len)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let at = |index: &Index| index.index(bytes.len() + 1);
        match change {
            Change::Set(index, byte) => {
                let at = at(index);
                if let Some(old) = bytes.get_mut(at) {
                    *old = *byte;
                }
            }
            Change::Insert(index, more) => {
                let at = at(index);
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Remove(index, len) => {
                let at = at(index);
                bytes.drain(at..bytes.len().min(at + len));
            }
            Change::Copy(from, to, len) => {
                let (from, to) = (at(from), at(to));
                let piece = bytes[from..bytes.len().min(from + len)].to_vec();
                bytes.splice(to..to, piece);
            }
        }
    }
    bytes
}

fn fuzz(name: &str, cases: u32) {
    let (_, target) = targets::ALL.iter().find(|(target, _)| *target == name).expect("it is a target");
    let corpus = corpus(name);
    corpus.iter().for_each(|bytes| target(bytes));
    let inputs = (prop::sample::select(corpus), prop::collection::vec(change(), 1..8));
    let inputs = inputs.prop_map(|(bytes, changes)| changed(bytes, &changes));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let result = runner.run(&inputs, |bytes| {
        target(&bytes);
        Ok::<_, TestCaseError>(())
    });
    result.unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[test]
fn ring() {
    fuzz("ring", 20_000);
}

#[test]
fn rows() {
    fuzz("rows", 2_000);
}

#[test]
fn tracepoint() {
    fuzz("tracepoint", 20_000);
}

#[test]
fn passwd() {
    fuzz("passwd", 20_000);
}

#[test]
fn arguments() {
    fuzz("arguments", 200);
}

#[test]
fn every_target_is_run_here() {
    let here = ["ring", "rows", "tracepoint", "passwd", "arguments"];
    assert!(targets::ALL.iter().map(|(target, _)| *target).eq(here));
}
