//! `arena`: everybody connects at once, and then each keeps messages in flight, as public benchmarks have it.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::kit::{OTHER_FIELDS, Scale, Scenario, Trial, grouped, per_connection, required, words};
use crate::contestants::{Contestant, FLOOR, REFERENCE};
use crate::results::{Description, Headline, Metric, Plot, Sample};
use crate::rig::Rig;

const ABOUT: &str = "What a public benchmark of web servers does: everybody connects at once, and then each \
    connection keeps as many text messages \"hello\" in flight, 1 or 16. Replies that come together are answered \
    together, and every byte of them is compared. CPU is that of the whole server process per message, once all are \
    open. Whoever finds the accept queue full (4,096 at most, and 512 for bun) when all come at once is dropped by \
    the kernel, and tries again after 1, 2, 4 s. Beside the gateway are those who lead that benchmark, the two \
    fastest other variants, and a raw TCP echo of the same bytes.";

/// CPU of the server per message.
const CPU: &str = "cpu_ns";
const RATE: &str = "messages_per_second";
const OPEN: &str = "opening_seconds";
const WORST: &str = "worst_wait_us";

/// Everybody would take too long.
const CHOSEN: [&str; 8] =
    [REFERENCE, "uring-baseline", "epoll", "tungstenite-tuned", "fastwebsockets", "bun", "actix", FLOOR];
const MEASURED: Duration = Duration::from_secs(1);
const WARMUP: Duration = Duration::from_millis(300);

/// So many connections, and messages in flight on each.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    connections: u32,
    active_each: u32,
}

impl Traffic {
    fn name(self) -> String {
        format!("{} connections, {} in flight on each", grouped(self.connections), self.active_each)
    }
}

/// The scenario at this scale.
pub(super) fn scenario(contestants: &[Contestant], scale: &Scale) -> Scenario {
    let of =
        |(connections, active_each)| Traffic { connections: scale.connections(connections), active_each };
    let traffics: Vec<Traffic> = if scale.quick {
        [(512, 16), (4096, 1)].map(of).into()
    } else {
        [512, 4096, 16_000].into_iter().flat_map(|count| [(count, 1), (count, 16)]).map(of).collect()
    };
    let mut chosen = contestants.to_vec();
    chosen.retain(|one| CHOSEN.contains(&one.name.as_str()));
    let trials = traffics.iter().map(|&traffic| trial(traffic, &chosen, scale.rounds())).collect();
    Scenario { description: description(&traffics), trials }
}

fn trial(traffic: Traffic, contestants: &[Contestant], rounds: usize) -> Trial {
    let Traffic { connections, active_each } = traffic;
    let parameters = [("connections", connections), ("in_flight_on_each", active_each)];
    Trial {
        name: traffic.name(),
        parameters: parameters.map(|(name, value)| (name.to_owned(), value.into())).into(),
        contestants: contestants.to_vec(),
        rounds,
        estimate: MEASURED + WARMUP + Duration::from_millis(200) + per_connection(connections),
        watch: CPU,
        run: Box::new(move |rig, contestant| run(rig, contestant, traffic)),
        complete: |_| {},
    }
}

fn run(rig: &Rig, contestant: &Contestant, traffic: Traffic) -> anyhow::Result<Sample> {
    let server = rig.start(contestant, &[])?;
    let mut arguments = words(&format!(
        "arena --url {} --pid {} -c {} -a {} --warmup {}ms --for {}ms",
        server.url,
        server.pid(),
        traffic.connections,
        traffic.active_each,
        WARMUP.as_millis(),
        MEASURED.as_millis()
    ));
    arguments.extend(contestant.raw.then(|| "--raw".to_owned()));
    sample(&rig.load(&arguments, Duration::from_secs(120))?).context(OTHER_FIELDS)
}

/// What is kept of a report.
fn sample(report: &Value) -> Option<Sample> {
    required(
        report,
        &[
            (CPU, "/server_cpu_ns_per_message"),
            (RATE, "/messages_per_second"),
            (OPEN, "/opening_seconds"),
            (WORST, "/wait_us/max"),
        ],
    )
}

fn description(traffics: &[Traffic]) -> Description {
    let trials: Vec<String> = traffics.iter().map(|traffic| traffic.name()).collect();
    let dots = |title: &str, metric: &str, relative_to| Plot::dots(title, metric, relative_to, &trials);
    let few = traffics.iter().position(|one| one.connections <= 512 && one.active_each == 16).unwrap_or(0);
    Description {
        name: "arena".to_owned(),
        title: "Arena: all at once, then messages on every connection".to_owned(),
        about: ABOUT.to_owned(),
        metrics: vec![
            Metric::compared(RATE, "messages per second", "1/s"),
            Metric::compared(CPU, "CPU of the server per message", "ns"),
            Metric::compared(OPEN, "until all were open", "s"),
            Metric::compared(WORST, "the worst wait to open", "us"),
        ],
        plots: vec![
            dots("Messages per second, as fast as the load could", RATE, None),
            dots("CPU per message, as a ratio to the raw TCP echo", CPU, Some(FLOOR)),
            dots("Until all were open", OPEN, None),
            dots("The worst wait to open", WORST, None),
        ],
        headlines: vec![Headline::new(
            "CPU per message, 16 in flight on each of 512",
            &trials[few],
            CPU,
            Some(FLOOR),
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_from_a_report() {
        let report = serde_json::json!({
            "server_cpu_ns_per_message": 440.0, "messages_per_second": 2.29e6, "opening_seconds": 0.03,
            "wait_us": {"p50": 1000.0, "max": 30_000.0},
        });
        let sample = sample(&report).unwrap();
        let figures = [(CPU, 440.0), (RATE, 2.29e6), (OPEN, 0.03), (WORST, 30_000.0)];
        assert_eq!(sample.figures, figures.map(|(name, value)| (name.to_owned(), value)).into());
        assert!(super::sample(&Value::Null).is_none());
    }
}
