//! What is said on stderr, a line at a time. Nothing is to be done about a stderr that cannot be
//! written, and nothing waits for one that is not read: tracing goes on.

use std::fmt;
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use crate::output::Sink;
use crate::output::Until;
use crate::output::Written;

/// How long a message waits for a stderr that is not read. Those after it do not wait: libbpf's log alone has
/// thousands of lines.
const PATIENCE: Duration = Duration::from_millis(50);

struct Stderr {
    sink: Sink,
    /// Messages that could not be written since the last one that could.
    missing: u64,
}

/// Opens stderr, which cannot be done any more after privileges have been dropped.
pub fn open() {
    stderr();
}

/// Says a line in the name of a tool.
pub fn say(tool: &str, message: impl fmt::Display) {
    write(format_args!("{tool}: {message}\n"));
}

/// Writes a message of whole lines as it is.
pub fn write(message: fmt::Arguments<'_>) {
    let Some(stderr) = stderr() else { return };
    // A panic ends the process, so there is no poison.
    let mut stderr = stderr.lock().unwrap_or_else(PoisonError::into_inner);
    let Stderr { sink, missing } = &mut *stderr;
    // A Vec takes all that is written to it.
    if *missing > 0 {
        let _ = writeln!(sink.buffer, "bpftools: {missing} messages before this one could not be written");
    }
    let _ = sink.buffer.write_fmt(message);
    let patience = if *missing == 0 { PATIENCE } else { Duration::ZERO };
    match sink.flush(Until { stop: None, deadline: Some(Instant::now() + patience) }) {
        Ok(Written::All) => *missing = 0,
        _ => {
            sink.drop_lines();
            *missing += 1;
        }
    }
}

fn stderr() -> Option<&'static Mutex<Stderr>> {
    static STDERR: OnceLock<Option<Mutex<Stderr>>> = OnceLock::new();
    let open = || {
        let sink = Sink::new(std::io::stderr().as_fd()).ok()?;
        Some(Mutex::new(Stderr { sink, missing: 0 }))
    };
    STDERR.get_or_init(open).as_ref()
}
