//! `soak`: connections that come, talk, leave and die, for a long time, and a verdict: nothing has grown after the
//! first third, and the server's counters add up with what was seen here.

mod arguments;
pub(crate) mod crowd;
mod life;
pub(crate) mod plan;
pub(crate) mod tally;
mod verdict;

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Serialize;

pub(crate) use arguments::SoakArguments;

use crate::measure::machine::Setting;
use crate::measure::metrics::{Metrics, wait_for_connections};
use crate::report::{progress, write_json};
use crate::target::Target;
use crowd::Crowd;
use plan::Plans;
use tally::Tally;
use verdict::{Sample, Verdict};

/// Samples of a run, about.
const SAMPLES: u32 = 180;
/// How long the server may take until it has seen the last connection end.
const GAUGE_LAG_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Serialize)]
struct SoakReport {
    setting: Setting,
    count: u32,
    churn: f64,
    seconds: f64,
    tally: Tally,
    verdict: Verdict,
    samples: Vec<Sample>,
}

/// Carries out `soak`.
///
/// # Errors
///
/// When anything was lost, wrong or left over, a counter does not add up, or something has grown.
pub(crate) fn run(arguments: &SoakArguments) -> anyhow::Result<()> {
    let setting = Setting::now();
    println!("{setting}");
    println!(
        "soak: {} connections to {}, {} of them new each second, for {:?} (seed {})",
        arguments.count, arguments.target.url, arguments.churn, arguments.duration, arguments.seed
    );
    let before = Metrics::read(&arguments.admin)?;
    let begin = Instant::now();
    let (tally, samples) = live(arguments)?;
    wait_for_connections(&arguments.admin, 0, GAUGE_LAG_MAX)?;
    let counters = Metrics::read(&arguments.admin)?.growth(&before, "");
    let verdict = Verdict::new(&tally, &counters, &samples);
    print!("{tally}{verdict}");
    let seconds = begin.elapsed().as_secs_f64();
    let report = SoakReport {
        setting,
        count: arguments.count,
        churn: arguments.churn,
        seconds,
        tally,
        verdict,
        samples,
    };
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    if !report.verdict.is_good() {
        bail!("the soak found something: see above");
    }
    println!("verdict: good, after {seconds:.0} s");
    Ok(())
}

/// Keeps the crowd alive for the time asked for, then lets everyone leave.
fn live(arguments: &SoakArguments) -> anyhow::Result<(Tally, Vec<Sample>)> {
    let target = Target::new(&arguments.target)?;
    let life = Duration::from_secs_f64(f64::from(arguments.count) / arguments.churn);
    let plans = Plans::Mixed { seed: arguments.seed, life };
    let mut crowd = Crowd::new(&target, arguments.count, plans, None)?;
    let pause = arguments.duration / SAMPLES;
    let bar = progress("soaked", arguments.duration.as_secs());
    let begin = Instant::now();
    let mut samples = Vec::new();
    while begin.elapsed() < arguments.duration {
        crowd.turn()?;
        if begin.elapsed() > pause * u32::try_from(samples.len()).unwrap_or(u32::MAX) {
            samples.push(sample(arguments, begin.elapsed())?);
            bar.set_position(begin.elapsed().as_secs());
        }
    }
    bar.finish_and_clear();
    crowd.dismiss();
    let patience = Instant::now() + arguments.target.stall;
    while crowd.is_alive() {
        crowd.turn()?;
        if Instant::now() > patience {
            bail!("{} connections do not end: {:?}", crowd.alive(), crowd.tally());
        }
    }
    Ok((crowd.into_tally(), samples))
}

fn sample(arguments: &SoakArguments, at: Duration) -> anyhow::Result<Sample> {
    let held = Metrics::read(&arguments.admin)?.get("holdfast_connections");
    Sample::now(arguments.pid, at, held.context("the server shows no holdfast_connections")?)
        .with_context(|| format!("process {}", arguments.pid))
}
