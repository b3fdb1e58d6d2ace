//! Which part of the tests is played here: BPFTOOLS_PART has the words that the column `plays` of tests/vm/machines has
//! for a machine. Without it, or with `all`, everything is. Cases, refusals and `check` are played everywhere.

use std::env;

use libtest_mimic::Trial;

pub struct Part(Option<String>);

/// What a machine may be to play as a whole, where its share of it is not enough.
pub const LOAD: &str = "load";
pub const PRIVILEGES: &str = "privileges";
pub const SURROUNDINGS: &str = "surroundings";
/// Every mode, not the first and the last alone.
pub const MODES: &str = "modes";

impl Part {
    pub fn here() -> Part {
        Part(env::var("BPFTOOLS_PART").ok().filter(|part| part != "all"))
    }

    pub fn has(&self, word: &str) -> bool {
        let Some(part) = &self.0 else { return true };
        part.split(',').any(|known| known == word)
    }

    /// `N/M`: of M machines that share trials, this is the Nth.
    fn share(&self) -> Option<(usize, usize)> {
        let numbers = self.0.as_deref()?.split(',').find_map(|word| word.split_once('/'));
        numbers.map(|(n, m)| (n.parse().expect("a number"), m.parse().expect("a number")))
    }

    /// Those of `trials` that are this machine's, or all, where it has the word for them. `turn` is where counting
    /// begins, so that a trial does not fall to the same machine for each backend.
    pub fn of(&self, word: &str, turn: usize, trials: Vec<Trial>) -> Vec<Trial> {
        if self.has(word) {
            return trials;
        }
        let Some((n, m)) = self.share() else { return Vec::new() };
        trials.into_iter().enumerate().filter(|(at, _)| (at + turn) % m == n - 1).map(|(_, trial)| trial).collect()
    }
}
