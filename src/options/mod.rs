//! Groups of options that tools take or leave.

pub mod counting;
pub mod question;
