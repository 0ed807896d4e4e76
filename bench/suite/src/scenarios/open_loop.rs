//! `open-loop`: latency where messages come by the clock and not when replies do.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::kit::{
    OTHER_FIELDS, P99_REAL_TIME, Scale, Scenario, Trial, grouped, per_connection, real_time, required,
    set_real_time, without, words,
};
use crate::contestants::{Contestant, REFERENCE, Role};
use crate::results::{Description, Headline, Metric, Plot, Sample};
use crate::rig::Rig;

const ABOUT: &str = "Messages of 64 bytes are due at fixed moments, over 1,000 connections in turn, whatever becomes \
    of those before; latency is counted from when a message was due. A server that stands still for a moment pays \
    for all that were due meanwhile (with as many in flight as replies allow, they would not be sent, and not be \
    counted: coordinated omission). The same once more with both ends at real-time priority, which leaves out what \
    the machine does beside.";

const P99: &str = "p99";
const OVERDUE: &str = "overdue";
/// Messages per second: some that everyone can answer.
const RATE: u32 = 10_000;
const MEASURED: Duration = Duration::from_millis(1500);

/// The scenario at this scale.
pub(super) fn scenario(contestants: &[Contestant], scale: &Scale) -> Scenario {
    let connections = scale.connections(1000);
    let name = format!("{} messages per second among {}", grouped(RATE), grouped(connections));
    let trial = Trial {
        name: name.clone(),
        parameters: [("connections", connections), ("messages_per_second", RATE)]
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into(),
        contestants: without(contestants, &[Role::Bare]),
        rounds: scale.rounds(),
        estimate: MEASURED * 2 + Duration::from_millis(650) + per_connection(connections),
        watch: "cpu_ns",
        run: Box::new(move |rig, contestant| run(rig, contestant, connections)),
        complete: |_| {},
    };
    Scenario { description: description(&[name]), trials: vec![trial] }
}

fn run(rig: &Rig, contestant: &Contestant, connections: u32) -> anyhow::Result<Sample> {
    let server = rig.start(contestant, &[])?;
    let mut arguments = words(&format!(
        "echo --no-slabs --url {} --pid {} -c {connections} -a {connections} -s 64 --rate {RATE} --warmup 300ms \
            --for {}ms",
        server.url,
        server.pid(),
        MEASURED.as_millis()
    ));
    arguments.extend(contestant.raw.then(|| "--raw".to_owned()));
    arguments.extend(real_time(rig));
    let report = rig.load(&arguments, Duration::from_secs(90))?;
    sample(&report).context(OTHER_FIELDS)
}

/// What is kept of a report.
fn sample(report: &Value) -> Option<Sample> {
    let mut sample = required(
        report,
        &[
            ("p50", "/latency_us/p50"),
            (P99, "/latency_us/p99"),
            ("p99.9", "/latency_us/p99.9"),
            ("cpu_ns", "/server_cpu_ns_per_message"),
            (OVERDUE, "/overdue"),
        ],
    )?;
    set_real_time(&mut sample, report);
    Some(sample)
}

fn description(trials: &[String]) -> Description {
    let dots = |title: &str, metric: &str| Plot::dots(title, metric, None, trials);
    Description {
        name: "open-loop".to_owned(),
        title: "Open loop: latency at a fixed rate".to_owned(),
        about: ABOUT.to_owned(),
        metrics: vec![
            Metric::compared("p50", "latency from when it was due, p50", "us"),
            Metric::compared(P99, "latency from when it was due, p99", "us"),
            Metric::compared("p99.9", "latency from when it was due, p99.9", "us"),
            Metric::compared("p50_real_time", "the same at real-time priority, p50", "us"),
            Metric::compared(P99_REAL_TIME, "the same at real-time priority, p99", "us"),
            Metric::compared("cpu_ns", "CPU of the server per message", "ns"),
            Metric::plain(OVERDUE, "messages due and not sent at the end", ""),
        ],
        plots: vec![
            dots("Latency, p50", "p50"),
            dots("Latency, p99", P99),
            dots("Latency, p99.9", "p99.9"),
            dots("Latency at real-time priority, p99", P99_REAL_TIME),
        ],
        headlines: vec![Headline::new("p99 at a fixed rate", &trials[0], P99, Some(REFERENCE))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_from_a_report() {
        let report = serde_json::json!({
            "latency_us": {"p50": 1.0, "p99": 3.0, "p99.9": 4.0}, "server_cpu_ns_per_message": 9.0, "overdue": 2,
            "real_time_latency_us": {"p50": 0.5, "p99": 2.0},
        });
        let sample = sample(&report).unwrap();
        assert_eq!(
            (sample.figures[P99], sample.figures[OVERDUE], sample.figures[P99_REAL_TIME]),
            (3.0, 2.0, 2.0)
        );
        assert!(super::sample(&Value::Null).is_none());
    }
}
