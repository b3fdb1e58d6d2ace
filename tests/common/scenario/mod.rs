//! The scenario program: this test binary, started again. It plays cases, each in a process of its
//! own, inside a network namespace of its own, and tells every attempt that it made.
//!
//! All processes are there before tracing starts (so that `-p` can name them) and wait for their
//! turn; the harness writes one byte to start them, and ends standard input to let go of what is
//! to stay pending.

pub mod actor;
mod answers;
mod at_once;
mod bpf;
mod busy;
pub mod case;
mod cases;
mod clock;
mod compat;
mod contended;
mod doors;
mod icmp;
mod identity;
mod loads;
mod mptcp;
mod netlink;
mod network;
pub mod play;
pub mod process;
mod socket;
mod sockets_table;
mod tries;
mod unfinished;
mod wait;

pub use self::cases::CASES;
pub use self::cases::CONTENDED_FLOOD;
pub use self::cases::CROWD;
pub use self::cases::FLOOD;
pub use self::cases::LOADS;
pub use self::cases::STREAM;
pub use self::loads::CONTENDED_ATTEMPTS;
pub use self::loads::CROWD_ATTEMPTS;
pub use self::loads::FLOOD_ATTEMPTS;
