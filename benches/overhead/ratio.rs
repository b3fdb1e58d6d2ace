//! Traced time by untraced time, at full speed. The two are measured in turn, close together, and
//! the ratios' median is taken: what else the machine does then hits both alike.

use anyhow::Result;

use crate::load::Load;
use crate::tracer::Tool;
use crate::tracer::Tracer;
use crate::tracer::nowhere;

const PAIRS: usize = 21;
const ATTEMPTS: u64 = 10_000;
const WARM_UP: u64 = 1_000;

/// # Errors
/// A connect ends in another way than it should.
pub fn print(tool: &Tool, tracers: &[Tracer]) -> Result<()> {
    println!("\ntraced / untraced, median of {PAIRS} interleaved pairs of {ATTEMPTS} connects (and quartiles)");
    for kind in tool.kinds.as_flattened() {
        let Ok(load) = Load::new(*kind) else { continue };
        for tracer in tracers.iter().flat_map(|tracer| [tracer.clone(), tracer.filtered()]) {
            let (ratios, lost) = pairs(&load, &tracer)?;
            let [low, median, high] = [1, 2, 3].map(|quarter| ratios[PAIRS * quarter / 4]);
            println!("  {kind:14} {:20} {median:.3} ({low:.3} to {high:.3}), {lost} lost", tracer.name);
        }
    }
    Ok(())
}

/// The ratios, sorted, and how many events were lost.
fn pairs(load: &Load, tracer: &Tracer) -> Result<(Vec<f64>, u64)> {
    let mut ratios = Vec::new();
    let mut lost = 0;
    let untraced = || {
        load.run(WARM_UP)?;
        load.run(ATTEMPTS)
    };
    for pair in 0..PAIRS {
        // Which one is first changes, so that a trend of the machine's cancels out.
        let before = if pair % 2 == 0 { Some(untraced()?) } else { None };
        let running = tracer.start(nowhere()?)?;
        load.run(WARM_UP)?;
        let traced = load.run(ATTEMPTS)?;
        lost += running.stop()?.lost();
        let untraced = before.map_or_else(untraced, Ok)?;
        ratios.push(traced.as_secs_f64() / untraced.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    Ok((ratios, lost))
}
