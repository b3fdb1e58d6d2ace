//! libFuzzer's driver of one target: `FUZZ_TARGET=rows fuzz CORPUS...`.

#![no_main]

mod targets;

use std::env;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let name = env::var("FUZZ_TARGET").unwrap_or_default();
    let found = targets::ALL.iter().find(|(target, _)| *target == name);
    found.unwrap_or_else(|| panic!("FUZZ_TARGET={name}: no such target")).1
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
