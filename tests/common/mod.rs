//! What the root tests share. A scenario program makes attempts to connect and tells what it did;
//! one comparer holds the rows of every backend in every mode to that, field by field.

pub mod attempt;
pub mod cgroup;
pub mod compare;
pub mod differences;
pub mod endings;
pub mod filters;
pub mod machine;
pub mod matrix;
pub mod mode;
pub mod refusals;
pub mod row;
pub mod run;
pub mod scenario;
pub mod tool;
