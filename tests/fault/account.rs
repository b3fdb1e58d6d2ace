//! Whether every attempt that was made is somewhere: in a row, in a number that the tool tells, or at most where
//! the kernel skipped a program.

use std::fmt;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;

use crate::common::backend::Backend;
use crate::common::tool::Output;

#[derive(Debug, Clone, Copy, Default)]
pub struct Account {
    pub made: u64,
    /// Lines that were read.
    pub rows: u64,
    /// Lines that the tool says it did not write.
    pub unwritten: u64,
    pub lost: u64,
    /// Without a row.
    pub pending: u64,
    pub skipped: u64,
    /// With `-x`: what found no room in the map, and might have failed.
    pub untold: u64,
}

impl Account {
    /// Of a tool that has ended; its output was a table without a header.
    pub fn of(made: u64, rows: u64, output: &Output) -> Result<Self> {
        let number = |words: [&str; 2]| -> Result<u64> {
            let is_it = |line: &&String| words.iter().all(|word| line.contains(word));
            let Some(line) = output.stderr.iter().rev().find(is_it) else { return Ok(0) };
            line.split_whitespace().find_map(|word| word.parse().ok()).with_context(|| format!("no number: {line}"))
        };
        let account = Self {
            made,
            rows,
            unwritten: number(["not written", ""])?,
            lost: number(["lost in all", ""])?,
            pending: number(["were still pending", ""])?,
            skipped: number(["may be missing in all", "skipped a program"])?,
            untold: number(["may be missing in all", "no room"])?,
        };
        let expected = i32::from(account.unwritten > 0);
        ensure!(output.status.code() == Some(expected), "{}: {:?}", output.status, output.stderr);
        Ok(account)
    }

    /// # Errors
    /// It does not add up, or the kernel skipped a program where it has no cause to.
    pub fn holds(&self, backend: Backend, contended: bool) -> Result<String> {
        let missing = i128::from(self.made) - i128::from(self.rows + self.unwritten + self.lost + self.pending);
        let most = i128::from(self.skipped + self.untold);
        ensure!((0..=most).contains(&missing), "{self}: {missing} are missing");
        ensure!(contended || backend == Backend::Kprobe || self.skipped == 0, "{self}: skipped");
        Ok(self.to_string())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { made, rows, unwritten, lost, pending, skipped, untold } = self;
        write!(
            f,
            "{made} made, {rows} rows, {unwritten} unwritten, {lost} lost, {pending} pending, {skipped} skipped"
        )?;
        if *untold > 0 { write!(f, ", {untold} without room") } else { Ok(()) }
    }
}
