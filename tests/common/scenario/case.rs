//! What a case is.

use anyhow::Result;

use super::actor::Actor;

/// When a case has its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// After the one before it, and before the next.
    Alone,
    /// Beside all others, as it mostly waits.
    Meanwhile,
    /// After all others, as it would disturb them.
    Last,
    /// Begins before tracing does.
    FromBefore,
    /// Leaves an attempt under way until tracing has ended.
    UntilTheEnd,
}

pub struct Case {
    pub name: &'static str,
    pub play: fn(&Actor) -> Result<()>,
    pub turn: Turn,
}

pub const fn alone(name: &'static str, play: fn(&Actor) -> Result<()>) -> Case {
    Case { name, play, turn: Turn::Alone }
}

pub const fn meanwhile(name: &'static str, play: fn(&Actor) -> Result<()>) -> Case {
    Case { name, play, turn: Turn::Meanwhile }
}
