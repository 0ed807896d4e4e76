//! `fan-out`: one message to all.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::kit::{OTHER_FIELDS, Scale, Scenario, Trial, grouped, per_connection, shards, words};
use crate::contestants::{Contestant, REFERENCE, Role};
use crate::results::{Description, Headline, Metric, Plot, Sample};
use crate::rig::Rig;
use crate::statistics::median;

const ABOUT: &str = "Holdfast is told at its admin address to send one message of 64 bytes to all of its \
    connections, and each of them must get every byte once. Beside it a server that does nothing but call send() for \
    one connection after the other. CPU is that of the whole server process for each delivery; on loopback a send \
    does the receiver's share of TCP too.";

/// A plain loop of send().
const LOOP: &str = "send-loop";
const CPU: &str = "cpu_ns_per_delivery";
const LAST: &str = "last_ms";
const MEMORY: &str = "peak_bytes_each";
/// Messages to all in a run, whose medians make a sample.
const MESSAGES: u32 = 3;

/// The scenario at this scale.
pub(super) fn scenario(contestants: &[Contestant], scale: &Scale) -> Scenario {
    let few = scale.connections(if scale.quick { 5000 } else { 18_000 });
    let mut trials = vec![trial(few, contestants.iter().filter_map(sender).collect(), scale.rounds())];
    if !scale.quick && scale.grow_max > few {
        let shards = shards(scale.grow_max, scale.connections(u32::MAX));
        let alone = contestants.iter().filter(|one| one.name == REFERENCE);
        // Nothing else can hold so many in a process. To open them takes longer than all the rest: one round.
        trials.push(trial(scale.grow_max, alone.map(|one| one.with_shards(shards)).collect(), 1));
    }
    let names: Vec<String> = trials.iter().map(|trial| trial.name.clone()).collect();
    Scenario { description: description(&names), trials }
}

fn trial(count: u32, contestants: Vec<Contestant>, rounds: usize) -> Trial {
    Trial {
        name: format!("to {}", grouped(count)),
        parameters: [("connections".to_owned(), count.into())].into(),
        contestants,
        rounds,
        estimate: per_connection(count) + Duration::from_secs(2),
        watch: CPU,
        run: Box::new(move |rig, contestant| run(rig, contestant, count)),
        complete: |_| {},
    }
}

/// Those that can send to all: the gateways, and the floor in another mode.
fn sender(contestant: &Contestant) -> Option<Contestant> {
    match contestant.role {
        Role::Gateway => Some(contestant.clone()),
        Role::Floor => Some(Contestant {
            name: LOOP.to_owned(),
            note: "calls send() for one raw TCP connection after the other".to_owned(),
            arguments: words("fan-out 127.0.0.1:0"),
            ..contestant.clone()
        }),
        Role::Variant | Role::Bare => None,
    }
}

fn run(rig: &Rig, contestant: &Contestant, count: u32) -> anyhow::Result<Sample> {
    let server = rig.start(contestant, &[])?;
    let (url, pid) = (&server.url, server.pid());
    let mut arguments = words(&format!("fan-out -n {count} --rounds {MESSAGES} --url {url} --pid {pid}"));
    let told = match (&server.admin, &server.control) {
        (Some(admin), _) => format!("--admin {admin}"),
        (None, Some(control)) => format!("--raw --control {control}"),
        (None, None) => anyhow::bail!("it does not say where it can be told to send"),
    };
    arguments.extend(words(&told));
    let report = rig.load(&arguments, per_connection(count) * 10 + Duration::from_secs(90))?;
    sample(&report).context(OTHER_FIELDS)
}

/// What is kept of a report.
fn sample(report: &Value) -> Option<Sample> {
    let count = report["count"].as_f64()?;
    let deliveries = report["rounds"].as_array()?;
    let middle = |value: &dyn Fn(&Value) -> Option<f64>| {
        let values: Vec<f64> = deliveries.iter().filter_map(value).collect();
        (!values.is_empty()).then(|| median(&values))
    };
    let mut sample = Sample::default();
    sample.set(CPU, Some(middle(&|one| one["cpu_nanoseconds_each"].as_f64())?));
    sample.set(LAST, Some(middle(&|one| Some(one["last_seconds"].as_f64()? * 1e3))?));
    let peak =
        |one: &Value| Some(one["server_rss_bytes"].as_f64()? - one["server_rss_bytes_before"].as_f64()?);
    sample.set(MEMORY, middle(&|one| Some(peak(one)? / count)));
    Some(sample)
}

fn description(trials: &[String]) -> Description {
    let dots = |title: &str, metric: &str, relative_to, trials: &[String]| {
        Plot::dots(title, metric, relative_to, trials)
    };
    Description {
        name: "fan-out".to_owned(),
        title: "Fan-out: one message to all".to_owned(),
        about: ABOUT.to_owned(),
        metrics: vec![
            Metric::compared(CPU, "CPU of the server per delivery", "ns"),
            Metric::compared(LAST, "until the last one has it", "ms"),
            Metric::plain(MEMORY, "growth of the server at the peak, for each connection", "B"),
        ],
        plots: vec![
            dots("CPU per delivery, as a ratio to a loop of send()", CPU, Some(LOOP), &trials[..1]),
            dots("CPU per delivery", CPU, None, trials),
            dots("Until the last one has it", LAST, None, trials),
        ],
        headlines: vec![Headline::new("CPU per delivery to all", &trials[0], CPU, Some(LOOP))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_median_of_its_deliveries() {
        let delivery = |cpu: f64| {
            serde_json::json!({"cpu_nanoseconds_each": cpu, "last_seconds": 0.5,
                "server_rss_bytes": 2000, "server_rss_bytes_before": 1000})
        };
        let report =
            serde_json::json!({"count": 100, "rounds": [delivery(3.0), delivery(900.0), delivery(4.0)]});
        let sample = sample(&report).unwrap();
        assert_eq!([CPU, LAST, MEMORY].map(|key| sample.figures[key]), [4.0, 500.0, 10.0]);
        assert!(super::sample(&serde_json::json!({"count": 1, "rounds": []})).is_none());
    }
}
