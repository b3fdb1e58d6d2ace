//! What the root tests share. A scenario program does something, attempts to connect say, and tells what it
//! did; one comparer holds the rows of every backend in every mode to that, field by field.

pub mod allowed;
pub mod backend;
pub mod binary;
pub mod cgroup;
pub mod counting;
pub mod doer;
pub mod endings;
pub mod every_case;
pub mod filtering;
pub mod flood;
pub mod harness;
pub mod judge;
pub mod machine;
pub mod message;
pub mod mode;
pub mod part;
pub mod privileges;
pub mod refusals;
pub mod repeat;
pub mod row;
pub mod run;
pub mod scenario;
pub mod setup;
pub mod subject;
pub mod surroundings;
pub mod tool;
pub mod totals;
