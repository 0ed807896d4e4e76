//! `compare`: the same echo run against several servers in turn, and the ratios of their CPU time per message.

mod arguments;

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;

pub(crate) use arguments::CompareArguments;

use crate::arguments::TargetArguments;
use crate::echo::EchoRun;
use crate::echo::engine::Until;
use crate::echo::summary::Figures;
use crate::interrupt;
use crate::measure::machine::Setting;
use crate::measure::process;
use crate::report::{progress, write_json};
use crate::server::Contestant;
use crate::statistics::{Summary, median};
use crate::target::Target;

/// Carries out `compare`.
///
/// # Errors
///
/// When a server does not start, or at the first wrong reply or lost connection.
pub(crate) fn run(arguments: &CompareArguments) -> anyhow::Result<()> {
    if let Some(priority) = arguments.priority {
        // The servers inherit it.
        process::prioritise(priority, None)?;
    }
    let contestants = contestants(arguments)?;
    let setting = Setting::now();
    println!("{setting}");
    let traffic = &arguments.traffic;
    println!(
        "echo: {} connections, {} in flight, {} bytes; servers on CPU {} with one shard, this end on CPU {}; \
         {} rounds of {:?}",
        traffic.connections,
        traffic.active,
        traffic.size,
        arguments.server_cpu,
        arguments.client_cpu,
        arguments.rounds,
        arguments.duration
    );
    let bar = progress("runs", contestants.len() as u64 * u64::from(arguments.rounds));
    let mut rounds = Vec::new();
    for number in 0..arguments.rounds as usize {
        let mut round = Round::default();
        for step in 0..contestants.len() {
            interrupt::check()?;
            // Another one begins each round, so that none always follows the same other.
            let contestant = &contestants[(number + step) % contestants.len()];
            let figures = run_one(arguments, contestant)
                .with_context(|| format!("{} in round {}", contestant.name, number + 1))?;
            round.0.insert(contestant.name.clone(), figures);
            bar.inc(1);
        }
        rounds.push(round);
    }
    bar.finish_and_clear();
    let names: Vec<String> = contestants.into_iter().map(|contestant| contestant.name).collect();
    let report = CompareReport::new(setting, arguments, &names, rounds);
    print!("{report}");
    if let Some(path) = &arguments.json {
        write_json(path, &report)?;
    }
    Ok(())
}

fn contestants(arguments: &CompareArguments) -> anyhow::Result<Vec<Contestant>> {
    let folder = match &arguments.binaries {
        Some(folder) => folder.clone(),
        None => std::env::current_exe()?.parent().map(PathBuf::from).context("a program without a folder")?,
    };
    let gateways = arguments.drivers.iter().map(|driver| Contestant::gateway(&folder, driver));
    let floor = (!arguments.no_floor).then(|| Contestant::floor(&folder));
    Ok(gateways.chain(floor).collect())
}

fn run_one(arguments: &CompareArguments, contestant: &Contestant) -> anyhow::Result<Figures> {
    let server = contestant.start(arguments.server_cpu)?;
    process::pin_self(arguments.client_cpu)?;
    let target = TargetArguments { raw: contestant.raw, ..TargetArguments::to(&server.url) };
    let run = EchoRun {
        target: &Target::new(&target)?,
        traffic: &arguments.traffic,
        rate: None,
        warmup: arguments.warmup,
        until: Until::Elapsed(arguments.duration),
        stall: target.stall,
        pid: Some(server.pid()),
        admin: None,
        real_time: false,
        slabs: false,
    };
    Ok(Figures::new(&run.measure()?))
}

/// Figures by contestant.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
struct Round(BTreeMap<String, Figures>);

impl Round {
    fn cpu(&self, name: &str) -> f64 {
        self.0.get(name).and_then(|figures| figures.server_cpu_ns_per_message).unwrap_or(f64::NAN)
    }
}

/// One pair of contestants.
#[derive(Debug, Serialize)]
struct Ratio {
    above: String,
    below: String,
    /// Of the ratios within the same round.
    cpu_per_message: Summary,
}

#[derive(Debug, Serialize)]
struct CompareReport {
    setting: Setting,
    connections: u32,
    active: u32,
    size: usize,
    names: Vec<String>,
    /// CPU time of the server per message, nanoseconds.
    cpu_ns_per_message: BTreeMap<String, Summary>,
    ratios: Vec<Ratio>,
    rounds: Vec<Round>,
}

impl CompareReport {
    fn new(setting: Setting, arguments: &CompareArguments, names: &[String], rounds: Vec<Round>) -> Self {
        let cpu = |name: &String| {
            let values: Vec<f64> = rounds.iter().map(|round| round.cpu(name)).collect();
            (name.clone(), Summary::new(&values))
        };
        let mut ratios = Vec::new();
        for (index, above) in names.iter().enumerate() {
            for below in &names[index + 1..] {
                let values: Vec<f64> =
                    rounds.iter().map(|round| round.cpu(above) / round.cpu(below)).collect();
                let cpu_per_message = Summary::new(&values);
                ratios.push(Ratio { above: above.clone(), below: below.clone(), cpu_per_message });
            }
        }
        Self {
            setting,
            connections: arguments.traffic.connections,
            active: arguments.traffic.active,
            size: arguments.traffic.size,
            names: names.to_vec(),
            cpu_ns_per_message: names.iter().map(cpu).collect(),
            ratios,
            rounds,
        }
    }
}

impl Display for CompareReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<16} {:>12} {:>20} {:>14} {:>10} {:>10}",
            "", "CPU ns/msg", "min to max", "messages/s", "p99 us", "CPUs busy"
        )?;
        for name in &self.names {
            let Summary { median: cpu, min, max, .. } = self.cpu_ns_per_message[name];
            let of = |value: fn(&Figures) -> f64| {
                let values: Vec<f64> = self.rounds.iter().map(|round| value(&round.0[name])).collect();
                median(&values)
            };
            let spread = format!("{min:.0} to {max:.0}");
            let rate = of(|figures| figures.messages_per_second);
            let p99 = of(|figures| figures.latency_us["p99"]);
            let busy = of(|figures| figures.server_cpus.unwrap_or(f64::NAN));
            writeln!(f, "{name:<16} {cpu:>12.0} {spread:>20} {rate:>14.0} {p99:>10.0} {busy:>10.2}")?;
        }
        writeln!(f, "\nCPU per message, ratio within a round: median (95 % interval of it) [min to max]")?;
        for Ratio { above, below, cpu_per_message } in &self.ratios {
            let Summary { median, min, max, low, high } = cpu_per_message;
            let pair = format!("{above} / {below}");
            writeln!(f, "{pair:<28} {median:.3} ({low:.3} to {high:.3}) [{min:.3} to {max:.3}]")?;
        }
        Ok(())
    }
}
