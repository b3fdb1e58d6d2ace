//! Minutes at full speed: nothing is lost, and memory does not grow.

use std::time::Duration;
use std::time::Instant;

use anyhow::Result;

use crate::load::Load;
use crate::tracer;
use crate::tracer::TOOLS;
use crate::tracer::nowhere;

const STEPS: u32 = 10;

/// `[SECONDS]`, default 600, for each tool in its best backend.
///
/// # Errors
/// The tool ends too early, or a connect in another way than it should.
pub fn run(arguments: &[String]) -> Result<()> {
    let seconds: u64 = arguments.first().map_or(Ok(600), |word| word.parse())?;
    for tool in TOOLS {
        let Some(tracer) = tracer::working(tool).into_iter().next() else { continue };
        let load = Load::new(tool.kinds[0][0])?;
        let running = tracer.start(nowhere()?)?;
        let mut attempts = 0_u64;
        for _ in 0..STEPS {
            let end = Instant::now() + Duration::from_secs(seconds) / STEPS;
            while Instant::now() < end {
                load.run(1000)?;
                attempts += 1000;
            }
            println!("{} {}: {attempts} connects, {} KiB RSS", tool.name, tracer.name, running.process().rss()?);
        }
        println!("{} {}: {} lost", tool.name, tracer.name, running.stop()?.lost());
    }
    Ok(())
}
