//! Printing what is no row: help, lists, reports.

use std::io;
use std::io::Write;

/// Writes to stdout. A reader that goes away has had enough, which is no failure.
///
/// # Errors
/// Stdout cannot be written; the error names the remedy, too.
pub fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = io::stdout();
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(io::Error::other(format!("cannot write to stdout ({error}); write to another place")))
        }
        _ => Ok(()),
    }
}
