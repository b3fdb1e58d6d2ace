//! The backends are those of the command line.

pub use bpftools::backends::Backend;
