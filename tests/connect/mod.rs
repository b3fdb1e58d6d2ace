//! tcpconnect's own tests: what its cases do, and what its rows are to be.

mod answers;
mod at_once;
mod attempt;
pub mod cases;
pub mod compare;
mod contended;
pub mod counting;
pub mod differences;
mod doors;
pub mod endings;
pub mod filters;
mod icmp;
mod identity;
mod loads;
mod mptcp;
mod netlink;
pub mod output;
mod sockets_table;
mod tries;
pub mod under_load;
mod unfinished;
