//! tcplife's own tests: what its cases do, and what its rows are to be.

mod cases;
mod ended;
pub mod expected;
mod filters;
mod full;
mod loads;
mod owners;
mod side;
