//! The inside of `bpftools`: one binary, many tools, each a BPF object and a way to print its events.
//!
//! The modules are floors of a house. Each uses its own floor and those below it, and no two use each other:
//! [`cli`] → [`tools`] → [`run`] → ([`tool`], [`options`], [`fields`]) → [`backends`] →
//! ([`kernel`], [`privileges`]) → [`output`].
//! `tests/floors.rs` holds that.

#![deny(clippy::print_stdout, clippy::print_stderr)] // they panic where nothing can be written

pub mod backends;
pub mod cli;
pub mod fields;
pub mod kernel;
pub mod options;
pub mod output;
pub mod privileges;
pub mod run;
pub mod tool;
pub mod tools;

/// Readers of what others wrote, for `fuzz/` alone.
#[doc(hidden)]
pub mod fuzz {
    pub use crate::backends::layout::find as find_field;
    pub use crate::kernel::ring::Records;
    pub use crate::kernel::ring::Stopped;
    pub use crate::options::uid_of;
}
