//! `churn`: connections that live for a moment: opening handshake, one echo, closing handshake; what such a visit
//! costs.

mod arguments;
mod summary;

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

pub(crate) use arguments::ChurnArguments;

use crate::measure::machine::Setting;
use crate::measure::process;
use crate::report::{progress, write_json};
use crate::soak::crowd::Crowd;
use crate::soak::plan::Plans;
use crate::socket::connections_max;
use crate::target::Target;
use summary::{ChurnReport, Window};

/// At any moment, where neither a number nor a rate is given.
const COUNT: u32 = 200;

/// Carries out `churn`.
///
/// # Errors
///
/// When a connection could not be opened, was lost, answered wrongly or did not close as it should; the report comes
/// first.
pub(crate) fn run(arguments: &ChurnArguments) -> anyhow::Result<()> {
    ensure!(!arguments.target.raw, "churn opens and closes WebSocket connections: not with --raw");
    arguments.server.set_up()?;
    let setting = Setting::now();
    println!("{setting}");
    let target = Target::new(&arguments.target)?;
    let max = connections_max();
    let count = arguments.count.unwrap_or(if arguments.rate.is_some() { max } else { COUNT });
    ensure!(count <= max, "{count} connections in one process, whose descriptor limit allows {max}");
    let plans = Plans::Short { size: arguments.size, life: arguments.life };
    let mut crowd = Crowd::new(&target, count, plans, arguments.rate)?;
    stretch(&mut crowd, arguments.warmup, None)?;
    let window = stretch(&mut crowd, arguments.duration, arguments.server.pid)?;
    leave(&mut crowd, arguments.target.stall)?;
    let report = ChurnReport::new(setting, arguments, count, &window, crowd.into_tally().troubles);
    print!("{report}");
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    report.verdict()
}

/// Visits come and go for a time.
fn stretch(crowd: &mut Crowd<'_>, duration: Duration, pid: Option<u32>) -> anyhow::Result<Window> {
    let cpu = || pid.map(process::cpu_time).transpose();
    let before = crowd.tally_anew();
    let cpu_before = cpu()?;
    let bar = progress("churned", duration.as_secs());
    let begin = Instant::now();
    while begin.elapsed() < duration {
        crowd.turn()?;
        bar.set_position(begin.elapsed().as_secs());
    }
    bar.finish_and_clear();
    let elapsed = begin.elapsed();
    let cpu_after = cpu()?;
    let tally = crowd.tally();
    Ok(Window {
        elapsed,
        opened: tally.opened - before.opened,
        visits: tally.visits() - before.visits(),
        opening: tally.opening.clone(),
        echo: tally.echo.clone(),
        server_cpu: cpu_after.zip(cpu_before).map(|(after, before)| after.saturating_sub(before)),
        overdue: crowd.overdue(),
    })
}

/// Nobody comes any more; all who are there end their visit.
fn leave(crowd: &mut Crowd<'_>, stall: Duration) -> anyhow::Result<()> {
    crowd.dismiss();
    let patience = Instant::now() + stall;
    while crowd.is_alive() {
        crowd.turn()?;
        if Instant::now() > patience {
            bail!("{} connections do not end: {:?}", crowd.alive(), crowd.tally());
        }
    }
    Ok(())
}
