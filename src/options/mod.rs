//! Groups of options. A tool takes those that mean something to it; an option of another group is an error.

mod counting;
mod ends;
pub mod filter;
mod intervals;
mod namespaces;
mod net;
mod output;
pub mod question;
mod run;
mod who;

pub use counting::Counting;
pub use counting::Grouping;
pub use ends::Ends;
pub use ends::parse_ports;
pub use intervals::Intervals;
pub use intervals::Ticks;
pub use net::Net;
pub use net::parse_net;
pub use output::Output;
pub use output::Writing;
pub use run::Buffer;
pub use run::Run;
pub use who::Who;
pub use who::uid_of;
