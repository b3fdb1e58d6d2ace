//! tcpaccept's own tests: what its cases do, and what its rows are to be.

pub mod accepted;
pub mod cases;
mod doors;
pub mod expected;
pub mod filters;
mod identity;
mod loads;
mod queues;
mod socket;
pub mod totals;
mod waiting;
