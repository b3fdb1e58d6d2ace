//! The inside of `bpftools`: one binary, many tools, each a BPF object and a way to print its events.
//!
//! Dependencies point one way: [`cli`] → [`tools`] → [`session`] → [`backends`]; [`output`] is a leaf.

pub mod args;
pub mod backends;
mod check;
pub mod cli;
mod clock;
pub mod event;
pub mod filter;
mod kernel;
mod maps;
pub mod output;
mod printer;
mod privileges;
mod ring;
mod session;
mod signals;
pub mod tools;
mod tracefs;
