//! `churn`: connections that live for a moment.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::kit::{OTHER_FIELDS, Scale, Scenario, Trial, required, without, words};
use crate::contestants::{Contestant, REFERENCE, Role};
use crate::results::{Description, Headline, Metric, Plot, Sample};
use crate::rig::Rig;

const ABOUT: &str = "At any moment 200 connections live 100 ms each: an opening handshake, one message and its echo, \
    a closing handshake, and another one comes. CPU is that of the whole server process for each of them.";

const CPU: &str = "cpu_ns_per_visit";
const MEASURED: Duration = Duration::from_secs(2);

/// The scenario at this scale.
pub(super) fn scenario(contestants: &[Contestant], scale: &Scale) -> Scenario {
    let name = "200 connections of 100 ms".to_owned();
    let trial = Trial {
        name: name.clone(),
        parameters: [("connections", 200.0), ("life_ms", 100.0)]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        contestants: without(contestants, &[Role::Floor, Role::Bare]),
        rounds: scale.rounds(),
        estimate: MEASURED + Duration::from_millis(750),
        watch: CPU,
        run: Box::new(run),
        complete: |_| {},
    };
    Scenario { description: description(&[name]), trials: vec![trial] }
}

fn run(rig: &Rig, contestant: &Contestant) -> anyhow::Result<Sample> {
    let server = rig.start(contestant, &[])?;
    let arguments = words(&format!(
        "churn -n 200 --life 100ms --warmup 500ms --for {}ms --url {} --pid {}",
        MEASURED.as_millis(),
        server.url,
        server.pid()
    ));
    sample(&rig.load(&arguments, Duration::from_secs(90))?).context(OTHER_FIELDS)
}

/// What is kept of a report.
fn sample(report: &Value) -> Option<Sample> {
    required(
        report,
        &[
            (CPU, "/server_cpu_ns_per_visit"),
            ("visits_per_second", "/visits_per_second"),
            ("opening_p99", "/opening_us/p99"),
            ("echo_p99", "/echo_us/p99"),
        ],
    )
}

fn description(trials: &[String]) -> Description {
    let dots = |title: &str, metric: &str| Plot::dots(title, metric, None, trials);
    Description {
        name: "churn".to_owned(),
        title: "Churn: connections that live 100 ms".to_owned(),
        about: ABOUT.to_owned(),
        metrics: vec![
            Metric::compared(CPU, "CPU of the server per connection", "ns"),
            Metric::compared("visits_per_second", "connections per second", "1/s"),
            Metric::compared("opening_p99", "wait for the opening handshake, p99", "us"),
            Metric::compared("echo_p99", "latency of the echo, p99", "us"),
        ],
        plots: vec![
            dots("CPU per connection, from opening to closing handshake", CPU),
            dots("Wait for the opening handshake, p99", "opening_p99"),
            dots("Latency of the echo, p99", "echo_p99"),
        ],
        headlines: vec![Headline::new("CPU per short connection", &trials[0], CPU, Some(REFERENCE))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_from_a_report() {
        let report = serde_json::json!({
            "server_cpu_ns_per_visit": 50000.0, "visits_per_second": 1900.0,
            "opening_us": {"p50": 1.0, "p99": 2.0}, "echo_us": {"p50": 3.0, "p99": 4.0},
        });
        let sample = sample(&report).unwrap();
        assert_eq!([CPU, "opening_p99", "echo_p99"].map(|key| sample.figures[key]), [50000.0, 2.0, 4.0]);
        assert!(super::sample(&Value::Null).is_none());
    }
}
