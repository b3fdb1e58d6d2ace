//! Which `bpftools` is tested: the one that ships, where BPFTOOLS names it, as `make test` does.

use std::env;
use std::path::PathBuf;

/// The one that BPFTOOLS names; without it, the debug build that cargo made for the tests.
///
/// # Panics
/// sudo(8) dropped BPFTOOLS: the wrong binary would be tested.
pub fn path() -> PathBuf {
    match named() {
        Some(path) => path,
        None if was_dropped() => {
            panic!(
                "BPFTOOLS, which names the binary to test, did not come through sudo: sudo -E, or set it behind sudo"
            )
        }
        None => env!("CARGO_BIN_EXE_bpftools").into(),
    }
}

/// What BPFTOOLS names.
pub fn named() -> Option<PathBuf> {
    env::var_os("BPFTOOLS").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Whether sudo(8) has emptied the environment, in which cargo puts its own name.
fn was_dropped() -> bool {
    env::var_os("SUDO_UID").is_some() && env::var_os("CARGO").is_none()
}

/// For people: which one it is.
pub fn description() -> String {
    let note = if named().is_some() { "" } else { ", the debug build, as BPFTOOLS names none" };
    format!("testing {}{note}", path().display())
}
