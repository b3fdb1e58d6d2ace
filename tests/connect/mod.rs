//! tcpconnect's own tests: what its cases do, and what its rows are to be.

mod answers;
mod at_once;
mod attempt;
mod cases;
pub mod compare;
mod contended;
mod counting;
mod differences;
mod doors;
mod endings;
mod filters;
mod icmp;
mod identity;
mod loads;
mod modes;
mod mptcp;
mod netlink;
mod output;
mod sockets_table;
mod tries;
mod under_load;
mod unfinished;
