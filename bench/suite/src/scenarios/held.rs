//! `held`: what those who talk notice of those who are merely there.

use std::time::Duration;

use anyhow::Context;

use super::kit::{
    OTHER_FIELDS, P99_REAL_TIME, Scale, Scenario, Trial, grouped, per_connection, real_time, required,
    set_real_time, shards, words,
};
use crate::contestants::{Contestant, REFERENCE};
use crate::results::{Description, Metric, Plot, Sample};
use crate::rig::Rig;

const ABOUT: &str = "256 messages of 64 bytes in flight over 1,000 connections, while other connections are open and \
    silent: Holdfast alone, since nobody else fits so many into one process here, with the same number of shards in \
    both trials. Latency once more with both ends at real-time priority: some programs of a machine have the more to \
    do the more sockets it has.";

const CPU: &str = "cpu_ns";
const P99: &str = "p99";
const TALKING: u32 = 1000;
/// To open so many takes longer than all the rest: this many rounds.
const ROUNDS_MAX: usize = 3;

/// The scenario at this scale.
pub(super) fn scenario(contestants: &[Contestant], scale: &Scale) -> Scenario {
    let most = if scale.quick { scale.connections(10_000) } else { scale.grow_max.max(TALKING * 2) };
    let shards = shards(most, scale.connections(u32::MAX));
    let holdfast: Vec<Contestant> =
        contestants.iter().filter(|one| one.name == REFERENCE).map(|one| one.with_shards(shards)).collect();
    let trial = |held: u32| Trial {
        name: format!("{} held", grouped(held + TALKING)),
        parameters: [("held", held), ("talking", TALKING), ("shards", shards)]
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into(),
        contestants: holdfast.clone(),
        rounds: scale.rounds().min(ROUNDS_MAX),
        estimate: per_connection(held) + Duration::from_secs(7),
        watch: CPU,
        run: Box::new(move |rig, contestant| run(rig, contestant, held)),
        complete: |_| {},
    };
    let trials: Vec<Trial> = [0, most - TALKING].map(trial).into();
    let names: Vec<String> = trials.iter().map(|trial| trial.name.clone()).collect();
    Scenario { description: description(&names), trials }
}

fn run(rig: &Rig, contestant: &Contestant, held: u32) -> anyhow::Result<Sample> {
    let server = rig.start(contestant, &[])?;
    let mut arguments = words(&format!(
        "echo --no-slabs --url {} --pid {} -c {TALKING} -a 256 -s 64 --held {held} --warmup 1s --for 2s",
        server.url,
        server.pid(),
    ));
    arguments.extend(real_time(rig));
    let report = rig.load(&arguments, per_connection(held) * 10 + Duration::from_secs(90))?;
    let metrics = [
        (CPU, "/server_cpu_ns_per_message"),
        ("messages_per_second", "/messages_per_second"),
        ("p50", "/latency_us/p50"),
        (P99, "/latency_us/p99"),
        ("p99.9", "/latency_us/p99.9"),
    ];
    let mut sample = required(&report, &metrics).context(OTHER_FIELDS)?;
    set_real_time(&mut sample, &report);
    Ok(sample)
}

fn description(trials: &[String]) -> Description {
    let dots = |title: &str, metric: &str| Plot::dots(title, metric, None, trials);
    Description {
        name: "held".to_owned(),
        title: "Held: those who talk among those who are silent".to_owned(),
        about: ABOUT.to_owned(),
        metrics: vec![
            Metric::plain(CPU, "CPU of the server per message", "ns"),
            Metric::plain("messages_per_second", "messages per second", "1/s"),
            Metric::plain("p50", "latency, p50", "us"),
            Metric::plain(P99, "latency, p99", "us"),
            Metric::plain("p99.9", "latency, p99.9", "us"),
            Metric::plain("p50_real_time", "latency at real-time priority, p50", "us"),
            Metric::plain(P99_REAL_TIME, "latency at real-time priority, p99", "us"),
        ],
        plots: vec![
            dots("CPU per message", CPU),
            dots("Latency, p99", P99),
            dots("Latency at real-time priority, p99", P99_REAL_TIME),
        ],
        headlines: Vec::new(),
    }
}
