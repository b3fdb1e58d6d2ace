//! What tracing costs the traced, and the tracer itself: whole processes, on loopback.
//!
//! `cargo bench --bench overhead` measures time: with criterion, and then as ratios and the tool's
//! own needs. In a virtual machine `overhead instructions` counts (`make bench-vm`). `overhead soak
//! SECONDS` looks for losses and growing memory. A tool more is an entry more in `tracer::TOOLS`.

mod empty;
mod instructions;
mod load;
mod needs;
mod process;
mod ratio;
mod soak;
mod time;
mod tracer;

use std::env;

use anyhow::Result;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("instructions") => return instructions::print(&arguments[1..]),
        Some("soak") => return soak::run(&arguments[1..]),
        _ => {}
    }
    for tool in tracer::TOOLS {
        let tracers = tracer::working(tool);
        if tracers.is_empty() {
            continue; // it has been said why
        }
        time::measure(tool, &tracers)?;
        // cargo's own argument is --bench; a name asks criterion for that benchmark alone
        if arguments.iter().all(|argument| argument.starts_with('-')) {
            ratio::print(tool, &tracers)?;
            needs::print(tool, &tracers)?;
        }
    }
    Ok(())
}
