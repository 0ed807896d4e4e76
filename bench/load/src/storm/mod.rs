//! `storm`: everybody (re)connects at once: how fast they are let in, how long the last one waits, what an opening
//! handshake costs the server, and what honest echo traffic notices.

mod arguments;
pub(crate) mod rush;
mod summary;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

pub(crate) use arguments::StormArguments;

use crate::echo;
use crate::echo::engine::{Engine, Until, Window};
use crate::echo::message::Messages;
use crate::measure::machine::Setting;
use crate::measure::process;
use crate::payload::Kind;
use crate::report::{progress, write_json};
use crate::socket::connections_max;
use crate::target::Target;
use rush::{Arrivals, Rush};
use summary::{Round, StormReport};

/// How much lower the storm's own scheduling priority is, so that the honest wait for the server and not for this end.
const LESS: i32 = 5;

/// Between two storms: long enough for any server to have done with the last (`holdfast-floor hold` looks for ended
/// connections after 300 ms without new ones).
const PAUSE: Duration = Duration::from_millis(500);

/// Carries out `storm`.
///
/// # Errors
///
/// When a connection was not let in, or did not close as it should, or an honest one was lost; the report comes first.
pub(crate) fn run(arguments: &StormArguments) -> anyhow::Result<()> {
    let count = arguments.count.saturating_add(arguments.honest);
    let max = connections_max();
    ensure!(count <= max, "{count} connections in one process, whose descriptor limit allows {max}");
    arguments.server.set_up()?;
    let setting = Setting::now();
    println!("{setting}");
    let target = Target::new(&arguments.target)?;
    let mut honest = Honest::open(arguments, &target)?;
    let only = arguments.refused.then(|| echo::open(&target, arguments.count, 1, arguments.target.stall));
    let only = only.transpose().context("the one connection that there is room for")?;
    let bar = progress("storms", arguments.rounds.into());
    let mut rounds = Vec::new();
    for number in 0..arguments.rounds {
        if number > 0 {
            thread::sleep(PAUSE);
        }
        rounds.push(round(arguments, &target, honest.as_mut())?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let Some(only) = only {
        echo::close(&target, only, arguments.target.stall)?;
    }
    if let Some(honest) = honest {
        echo::close(&target, honest.engine.drain()?, arguments.target.stall)?;
    }
    let report = StormReport::new(setting, arguments, rounds);
    print!("{report}");
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    report.verdict()
}

/// Connections with echo traffic beside the storm.
struct Honest {
    engine: Engine,
}

impl Honest {
    fn open(arguments: &StormArguments, target: &Target) -> anyhow::Result<Option<Self>> {
        if arguments.honest == 0 {
            return Ok(None);
        }
        let stall = arguments.target.stall;
        let messages = Messages { size: 64, kind: Kind::Binary, raw: target.raw };
        let descriptors = echo::open(target, arguments.count, arguments.honest, stall)?;
        let engine = Engine::new(descriptors, arguments.honest, messages, Some(arguments.rate), stall)?;
        Ok(Some(Self { engine }))
    }
}

fn round(arguments: &StormArguments, target: &Target, honest: Option<&mut Honest>) -> anyhow::Result<Round> {
    let stall = arguments.target.stall;
    let in_flight = arguments.in_flight.unwrap_or(arguments.count);
    let rush = || {
        let rush = Rush::new(target, (0, arguments.count), in_flight, stall)?;
        if arguments.refused { rush.refused().run() } else { rush.run() }
    };
    let (arrivals, traffic, server_cpu) = match honest {
        None => {
            let before = arguments.server.pid.map(process::cpu_time).transpose()?;
            let arrivals = rush()?;
            let after = arguments.server.pid.map(process::settled_cpu_time).transpose()?;
            let cpu = after.zip(before).map(|(after, before)| after.saturating_sub(before));
            (arrivals, None, cpu)
        }
        Some(honest) => {
            let control = honest.engine.run(Until::Elapsed(arguments.control)).context("before the storm")?;
            let priority = (arguments.server.priority.unwrap_or(0) + LESS).min(19);
            let (arrivals, storm) = beside(&mut honest.engine, rush, priority)?;
            (arrivals, Some((control, storm)), None)
        }
    };
    let round = Round::new(&arrivals, traffic.as_ref(), server_cpu);
    echo::close(target, arrivals.descriptors, stall)?;
    Ok(round)
}

/// A storm from another thread of this scheduling priority, while the honest go on.
fn beside(
    engine: &mut Engine,
    rush: impl FnOnce() -> anyhow::Result<Arrivals> + Send,
    priority: i32,
) -> anyhow::Result<(Arrivals, Window)> {
    let over = AtomicBool::new(false);
    let (arrivals, window) = thread::scope(|scope| {
        let storm = scope.spawn(|| {
            let arrivals = process::prioritise(priority, None).and_then(|()| rush());
            over.store(true, Relaxed);
            arrivals
        });
        let window = engine.run_while(|_| !over.load(Relaxed));
        (storm.join(), window)
    });
    let Ok(arrivals) = arrivals else { bail!("a thread panicked") };
    Ok((arrivals?, window.context("during the storm")?))
}
