//! What the scenario says about itself, one JSON object a line on its standard output.

use serde::Deserialize;
use serde::Serialize;

/// `D` is what the cases do: attempts to connect, say.
#[derive(Debug, Serialize, Deserialize)]
pub enum Message<D> {
    /// Every case's process is there and waits for its turn.
    Prepared(Vec<(String, u32)>),
    Deed(D),
    /// So many that are not told one by one.
    Made(u64),
    Verdict {
        case: String,
        verdict: Verdict,
    },
    /// All cases were played; what is to stay pending is held until standard input ends.
    Played,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Verdict {
    Done,
    Skipped(String),
    Failed(String),
}
