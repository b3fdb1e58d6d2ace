//! What a connect costs in instructions, where the clocks count them: in a virtual machine with one
//! CPU (tests/vm/run --icount), so one nanosecond is one instruction.

use std::fs::File;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use bpftools::backends::Backend;

use crate::empty::Empty;
use crate::load::Kind;
use crate::load::Load;
use crate::process::Process;
use crate::tracer::Running;
use crate::tracer::TOOLS;
use crate::tracer::Tracer;

/// Until a second after boot a connect takes twice as many (6.12 and 7.3). Waiting costs nothing:
/// a machine that sleeps executes none.
const BOOT: Duration = Duration::from_secs(2);
const WARM_UP: usize = 1000;
const ATTEMPTS: usize = 4000;

/// Prints a line for each tracer and kind of connect:
/// `TOOL TRACER KIND UNTRACED ADDED TRACER'S SWITCHES LOST ATTACHED RSS`, that is, for each connect:
/// instructions without a tracer, what the tracer adds, and how much of that its own process takes,
/// user and system; its context switches in 1000 connects; events that it says it lost; milliseconds
/// from exec to attached; the most memory that it held, in KiB.
///
/// `words` choose tracers and kinds; without any of a sort, all.
///
/// # Errors
/// A connect ends in another way than it should.
pub fn print(words: &[String]) -> Result<()> {
    let (kinds, tracers): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| word.contains('/'));
    let chosen = |name: &str, among: &[&String]| among.is_empty() || among.iter().any(|word| *word == name);
    std::thread::sleep(BOOT);
    for tool in TOOLS {
        let mut loads = Vec::new();
        for kind in tool.kinds.as_flattened().iter().filter(|kind| chosen(&kind.to_string(), &kinds)) {
            loads.push((kind, Load::new(*kind).with_context(|| kind.to_string())?));
        }
        if loads.is_empty() {
            continue;
        }
        for hook in tool.hooks.iter().filter(|hook| chosen(hook, &tracers)) {
            empty(tool.name, hook, &loads)?;
        }
        let ours = Backend::ALL.map(|backend| Tracer::ours(tool, backend));
        let varied =
            ours.clone().into_iter().flat_map(|ours| tool.variants.iter().map(move |option| ours.with(option)));
        let all = ours.clone().into_iter().chain(varied).chain(Tracer::peers(tool));
        for tracer in all.filter(|tracer| chosen(&tracer.name, &tracers)) {
            let running = match tracer.start(File::create("/tmp/rows").context("/tmp/rows")?) {
                Ok(running) => running,
                Err(why) => {
                    println!("# skipped: {why:#}");
                    continue;
                }
            };
            let traced: Vec<Traced> =
                loads.iter().map(|(_, load)| Traced::measure(load, &running)).collect::<Result<_>>()?;
            let (attached, rss) = (running.attached_after.as_millis(), running.process().peak_rss()?);
            let lost = running.stop()?.lost();
            // Afterwards: to attach for the first time can make accepted connects dearer for good, by
            // 830 on 6.1, which are not the tracer's.
            for ((kind, load), Traced { connect, own, switches }) in loads.iter().zip(traced) {
                let untraced = typical(load, None)?;
                let added = connect - untraced + own;
                let name = &tracer.name;
                println!(
                    "{} {name} {kind} {untraced:.0} {added:.0} {own:.0} {switches:.1} {lost} {attached} {rss}",
                    tool.name
                );
            }
        }
    }
    Ok(())
}

/// Prints the same for a program that does nothing.
fn empty(tool: &str, hook: &str, loads: &[(&Kind, Load)]) -> Result<()> {
    for (kind, load) in loads {
        let empty = match Empty::attach(hook) {
            Ok(empty) => empty,
            Err(error) => {
                println!("# skipped: empty {hook}: {error}");
                return Ok(());
            }
        };
        let traced = typical(load, None)?;
        drop(empty);
        let untraced = typical(load, None)?;
        println!("{tool} empty:{hook} {kind} {untraced:.0} {:.0} 0 0 0 0 0", traced - untraced);
    }
    Ok(())
}

/// What a connect costs under a tracer.
struct Traced {
    /// Without what the tracer's own process takes.
    connect: f64,
    /// The tracer's own process, user and system.
    own: f64,
    /// Its context switches, in 1000 connects.
    switches: f64,
}

impl Traced {
    fn measure(load: &Load, tracer: &Running) -> Result<Self> {
        const ALL: f64 = (WARM_UP + ATTEMPTS) as f64;
        let process = tracer.process();
        tracer.settle();
        let (cpu, switches) = (process.cpu()?, process.switches()?);
        let connect = typical(load, Some(process))?;
        tracer.settle();
        let own = (process.cpu()? - cpu).as_nanos() as f64 / ALL;
        let switches = (process.switches()? - switches) as f64 * 1000.0 / ALL;
        Ok(Self { connect, own, switches })
    }
}

/// Instructions of one connect, without those of the process `but`, which the scheduler may run in
/// between: the mean of the middle nine tenths. It repeats to the instruction; a mean of all varies by
/// 300, because interrupts and the kernel's own threads are in some connects and not in others.
fn typical(load: &Load, but: Option<Process>) -> Result<f64> {
    let others = || but.map_or(Ok(Duration::ZERO), Process::cpu);
    load.run(WARM_UP as u64)?;
    let mut costs = Vec::with_capacity(ATTEMPTS);
    for _ in 0..ATTEMPTS {
        let before = others()?;
        let start = Instant::now();
        load.connect()?;
        let all = start.elapsed();
        costs.push(all.saturating_sub(others()? - before).as_nanos());
    }
    costs.sort_unstable();
    let middle = &costs[ATTEMPTS / 20..ATTEMPTS - ATTEMPTS / 20];
    Ok(middle.iter().sum::<u128>() as f64 / middle.len() as f64)
}
