//! tcpaccept's own tests: what its cases do, and what its rows are to be.

mod accepted;
mod cases;
mod doors;
pub mod expected;
mod filters;
mod identity;
mod loads;
mod queues;
mod socket;
mod totals;
mod waiting;
