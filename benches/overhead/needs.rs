//! What the tool itself needs: time to start, CPU time for each event, memory, and rest.

use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;

use crate::load::Load;
use crate::tracer::Tool;
use crate::tracer::Tracer;
use crate::tracer::nowhere;

const STARTS: usize = 21;
const PACE: u32 = 40_000; // connects a second
const ATTEMPTS: u64 = 5 * PACE as u64;
const IDLE: Duration = Duration::from_secs(30);

/// # Errors
/// A connect ends in another way than it should, or the tool ends too early.
pub fn print(tool: &Tool, tracers: &[Tracer]) -> Result<()> {
    for tracer in tracers {
        println!("\n{} {}", tool.name, tracer.name);
        start(tracer)?;
        for kind in tool.kinds.as_flattened() {
            let Ok(load) = Load::new(*kind) else { continue };
            println!("  {kind}, paced: {}", under_load(&load, tracer)?);
        }
        idle(tracer)?;
    }
    Ok(())
}

fn start(tracer: &Tracer) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let running = tracer.start(nowhere()?)?;
        times.push(running.attached_after);
        running.stop()?;
    }
    times.sort();
    println!("  exec to attached: {:.1?}, median of {STARTS}", times[STARTS / 2]);
    Ok(())
}

fn under_load(load: &Load, tracer: &Tracer) -> Result<String> {
    let running = tracer.start(nowhere()?)?;
    let process = running.process();
    running.settle();
    let (cpu, switches, start) = (process.cpu()?, process.switches()?, Instant::now());
    load.run_paced(ATTEMPTS, PACE)?;
    let elapsed = start.elapsed();
    running.settle();
    let cpu = process.cpu()? - cpu;
    let switches = process.switches()? - switches;
    let rss = process.peak_rss()?;
    let lost = running.stop().context("ending the tool")?.lost();
    let rate = ATTEMPTS as f64 / elapsed.as_secs_f64();
    let [each, woken] = [cpu.as_secs_f64() * 1e6 / ATTEMPTS as f64, switches as f64 / elapsed.as_secs_f64()];
    Ok(format!(
        "{rate:.0} connects/s, {each:.2} µs CPU each, {woken:.0} context switches/s, {rss} KiB peak RSS, {lost} lost"
    ))
}

fn idle(tracer: &Tracer) -> Result<()> {
    let running = tracer.start(nowhere()?)?;
    running.settle();
    let before = running.process().switches()?;
    thread::sleep(IDLE);
    let switches = running.process().switches()? - before;
    println!("  idle: {switches} context switches in {IDLE:?} (connects of others on this machine included)");
    Ok(())
}
