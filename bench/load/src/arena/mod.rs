//! `arena`: everybody connects at once, and then each keeps messages in flight, as public benchmarks have it.

mod arguments;
mod crowd;
mod hello;
mod summary;

use std::time::Duration;

use anyhow::{Context, bail, ensure};

pub(crate) use arguments::ArenaArguments;

use crate::echo;
use crate::measure::machine::Setting;
use crate::measure::process;
use crate::report::write_json;
use crate::socket::connections_max;
use crate::storm::rush::{Arrivals, Rush};
use crate::target::Target;
use crowd::{Crowd, Window};
use summary::{ArenaReport, Opening};

/// Carries out `arena`.
///
/// # Errors
///
/// When a connection is not let in, at the first wrong reply or lost connection, and when one does not close as it
/// should.
pub(crate) fn run(arguments: &ArenaArguments) -> anyhow::Result<()> {
    let max = connections_max();
    let count = arguments.connections;
    ensure!(count <= max, "{count} connections in one process, whose descriptor limit allows {max}");
    ensure!(
        !arguments.target.deflate,
        "the arena's messages are too short to be compressed: leave out --deflate"
    );
    arguments.server.set_up()?;
    let setting = Setting::now();
    println!("{setting}");
    let target = Target::new(&arguments.target)?;
    let stall = arguments.target.stall;
    let arrivals = Rush::new(&target, (0, count), count, stall)?.run()?;
    check(&arrivals)?;
    let Arrivals { descriptors, waits, elapsed, .. } = arrivals;
    let mut crowd = Crowd::new(descriptors, arguments.active_each, target.raw, stall)?;
    let (window, cpu) = measure(&mut crowd, arguments)?;
    echo::close(&target, crowd.drain()?, stall)?;
    let report = ArenaReport::new(setting, arguments, &Opening { elapsed, waits }, window, cpu);
    print!("{report}");
    arguments.json.as_ref().map_or(Ok(()), |path| write_json(path, &report))
}

/// # Errors
///
/// When somebody was not let in.
fn check(arrivals: &Arrivals) -> anyhow::Result<()> {
    let refused: u64 = arrivals.failures.values().sum();
    if let Some(why) = arrivals.failures.keys().next() {
        bail!("{refused} connections were not let in: {why}");
    }
    Ok(())
}

/// Warms up and measures; the server's CPU time is that within the window.
fn measure(crowd: &mut Crowd, arguments: &ArenaArguments) -> anyhow::Result<(Window, Option<Duration>)> {
    let cpu = || arguments.server.pid.map(process::cpu_time).transpose();
    crowd.begin()?;
    crowd.run(arguments.warmup).context("while warming up")?;
    let before = cpu()?;
    let window = crowd.run(arguments.duration)?;
    let used = cpu()?.zip(before).map(|(after, before)| after.saturating_sub(before));
    Ok((window, used))
}
