//! The scenario program: this test binary, started again. It plays cases, each in a process of its
//! own, inside a network namespace of its own, and tells every attempt that it made.
//!
//! All processes are there before tracing starts (so that `-p` can name them) and wait for their
//! turn; the harness writes one byte to start them, and ends standard input to let go of what is
//! to stay pending.

pub mod actor;
pub mod bpf;
pub mod busy;
pub mod case;
pub mod clock;
pub mod compat;
pub mod family;
pub mod network;
pub mod play;
pub mod ports;
pub mod process;
pub mod socket;
pub mod wait;
