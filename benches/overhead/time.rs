//! Time for each connect, by criterion: untraced, and under each backend with and without a filter;
//! at full speed and paced.

use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use criterion::Criterion;
use criterion::Throughput;

use crate::load::Load;
use crate::tracer::Tool;
use crate::tracer::Tracer;
use crate::tracer::nowhere;

/// A busy server's, which leaves the traced thread asleep most of the time.
const PACE: u32 = 10_000; // connects a second

/// # Errors
/// A connect ends in another way than it should.
pub fn measure(tool: &Tool, tracers: &[Tracer]) -> Result<()> {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    for kind in tool.kinds.as_flattened() {
        let load = match Load::new(*kind) {
            Ok(load) => load,
            Err(error) => {
                println!("overhead: skipped {kind}: {error}");
                continue;
            }
        };
        let mut group = criterion.benchmark_group(format!("{}/{kind}", tool.name));
        group.throughput(Throughput::Elements(1));
        let filtered = tracers.iter().map(Tracer::filtered);
        let each = tracers.iter().cloned().zip(filtered).flat_map(|(plain, filtered)| [Some(plain), Some(filtered)]);
        for tracer in [None].into_iter().chain(each) {
            let running = tracer.as_ref().map(|tracer| tracer.start(nowhere()?)).transpose()?;
            let name = tracer.map_or("untraced".into(), |tracer| tracer.name);
            group.bench_function(format!("{name}/full speed"), |bencher| {
                bencher.iter_custom(|attempts| load.run(attempts).expect("connects end as they should"));
            });
            group.bench_function(format!("{name}/paced"), |bencher| {
                bencher.iter_custom(|attempts| load.run_paced(attempts, PACE).expect("connects end as they should"));
            });
            if let Some(running) = running {
                println!("{name}: {} lost", running.stop().context("ending the tool")?.lost());
            }
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
