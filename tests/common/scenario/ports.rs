//! The ports of the cases. Each test program that runs on the machine has a range of its own, so that a row to one of
//! them is about what this one did, also where others run beside it.

use std::env;
use std::mem;
use std::ops::Range;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::case::Case;

/// Tells the scenario program the beginning of the test program's range.
pub const VARIABLE: &str = "BPFTOOLS_TEST_PORTS";

/// Below those that the kernel chooses.
const ALL: Range<u16> = 19_500..32_500;
const PER_CASE: u16 = 25;
const LENGTH: u16 = 104 * PER_CASE;

/// This program's range, or that of the program which started it.
pub fn range() -> Range<u16> {
    static FIRST: OnceLock<u16> = OnceLock::new();
    let given = || env::var(VARIABLE).ok().map(|first| first.parse().expect("a port"));
    let first = *FIRST.get_or_init(|| given().unwrap_or_else(claim));
    first..first + LENGTH
}

/// Claims a range by a name that only one process can have, until it ends; waits for one if need be.
fn claim() -> u16 {
    let claim = |first: &u16| {
        let name = SocketAddr::from_abstract_name(format!("bpftools-test-ports-{first}")).ok()?;
        UnixListener::bind_addr(&name).map(mem::forget).ok()
    };
    loop {
        let mut firsts = ALL.step_by(LENGTH.into());
        if let Some(first) = firsts.find(|first| claim(first).is_some()) {
            return first;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The first of the own ports of the case of that name.
pub fn first(cases: &[Case], loads: &[Case], name: &str) -> u16 {
    let index = cases.iter().chain(loads).position(|case| case.name == name).expect("a case of that name");
    let first = range().start + PER_CASE * index as u16;
    assert!(first + PER_CASE <= range().end, "more cases than there are ports for");
    first
}
