//! The inside of `bpftools`: one binary, many tools, each a BPF object and a way to print its events.
//!
//! Dependencies point one way: [`cli`] → [`tools`] → [`session`] → [`backends`]; [`output`] is a leaf.

#![deny(clippy::print_stdout, clippy::print_stderr)] // they panic where nothing can be written

pub mod args;
pub mod backends;
mod check;
pub mod cli;
mod clock;
pub mod distribution;
pub mod event;
pub mod fields;
pub mod filter;
pub mod groups;
mod kernel;
pub mod losses;
mod maps;
pub mod options;
pub mod output;
pub mod printer;
mod private_mount;
pub mod privileges;
mod programs;
pub mod report;
mod ring;
mod samples;
pub mod say;
pub mod schema;
mod session;
mod signals;
pub mod tools;
mod tracefs;

/// Readers of what others wrote, for `fuzz/` alone.
#[doc(hidden)]
pub mod fuzz {
    pub use crate::args::uid_of;
    pub use crate::backends::layout::find as find_field;
    pub use crate::ring::Records;
    pub use crate::ring::Stopped;
}
