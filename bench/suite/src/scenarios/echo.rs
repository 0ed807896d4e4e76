//! `echo`: what a message costs, and how long it takes, by size and by how many are in flight.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::kit::{OTHER_FIELDS, Scale, Scenario, Trial, grouped, per_connection, required, without, words};
use crate::contestants::{Contestant, FLOOR, REFERENCE, Role};
use crate::results::{Description, Headline, Metric, Plot, Sample};
use crate::rig::Rig;

const ABOUT: &str = "Messages go round between the load and the server, always the same number of them in flight, \
    over all connections in turn, as fast as replies come. Every byte of every reply is compared. CPU is that of the \
    whole server process, kernel threads included, per message. The floor is a raw TCP echo of the same bytes on \
    epoll: one recv and one send per message. With one in flight the load looks for the reply without ever sleeping: \
    to wake it would else be half of the server's CPU, and most of the noise.";

/// CPU of the server per message.
const CPU: &str = "cpu_ns";
const RATE: &str = "messages_per_second";
const SYSCALLS: &str = "syscalls";

/// One size, number in flight and number of connections.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    connections: u32,
    active: u32,
    size: u32,
}

impl Traffic {
    fn name(self) -> String {
        let Self { connections, active, size } = self;
        let size = if size < 1024 { format!("{size} B") } else { format!("{} KiB", size / 1024) };
        format!("{size}, {active} in flight among {}", grouped(connections))
    }
}

/// The scenario at this scale.
pub(super) fn scenario(contestants: &[Contestant], scale: &Scale) -> Scenario {
    let few = scale.connections(1000);
    let many = scale.connections(18_000);
    let of = |connections, active, size| Traffic { connections, active, size };
    let traffics: Vec<Traffic> = if scale.quick {
        vec![of(few, 256, 64), of(few, 1, 64), of(few, 32, 16_384)]
    } else {
        let sizes = [64, 1024, 16_384].into_iter();
        let among_few = sizes.flat_map(|size| [1, 32, 256].map(|active| of(few, active, size)));
        among_few.chain([of(many, 256, 64)]).collect()
    };
    let measured = Duration::from_millis(700);
    let contestants = without(contestants, &[Role::Bare]);
    let trials: Vec<Trial> = traffics
        .iter()
        .map(|&traffic| trial(traffic, measured, contestants.clone(), scale.rounds()))
        .collect();
    Scenario { description: description(&traffics), trials }
}

fn trial(traffic: Traffic, measured: Duration, contestants: Vec<Contestant>, rounds: usize) -> Trial {
    let Traffic { connections, active, size } = traffic;
    let opening = per_connection(connections);
    let parameters = [("connections", connections), ("in_flight", active), ("payload_bytes", size)];
    Trial {
        name: traffic.name(),
        parameters: parameters.map(|(name, value)| (name.to_owned(), value.into())).into(),
        contestants,
        rounds,
        estimate: measured + Duration::from_millis(350) + opening,
        watch: CPU,
        run: Box::new(move |rig, contestant| run(rig, contestant, traffic, measured)),
        complete: |_| {},
    }
}

fn run(rig: &Rig, contestant: &Contestant, traffic: Traffic, measured: Duration) -> anyhow::Result<Sample> {
    let server = rig.start(contestant, &[])?;
    let Traffic { connections, active, size } = traffic;
    let mut arguments = words(&format!(
        "echo --no-slabs --url {} --pid {} -c {connections} -a {active} -s {size} --warmup 200ms --for {}ms",
        server.url,
        server.pid(),
        measured.as_millis()
    ));
    arguments.extend(contestant.raw.then(|| "--raw".to_owned()));
    arguments.extend((active == 1).then(|| "--spin".to_owned()));
    if let Some(admin) = &server.admin {
        arguments.extend(["--admin".to_owned(), admin.clone()]);
    }
    let report = rig.load(&arguments, measured * 20 + Duration::from_secs(60))?;
    sample(&report).context(OTHER_FIELDS)
}

/// What is kept of a report.
fn sample(report: &Value) -> Option<Sample> {
    let mut sample = required(
        report,
        &[
            (CPU, "/server_cpu_ns_per_message"),
            (RATE, "/messages_per_second"),
            ("p50", "/latency_us/p50"),
            ("p99", "/latency_us/p99"),
            ("p99.9", "/latency_us/p99.9"),
        ],
    )?;
    sample.set(SYSCALLS, report["counters_per_message"]["holdfast_syscalls_total"].as_f64());
    Some(sample)
}

fn description(traffics: &[Traffic]) -> Description {
    let trials: Vec<String> = traffics.iter().map(|traffic| traffic.name()).collect();
    let dots = |title: &str, metric: &str, relative_to| Plot::dots(title, metric, relative_to, &trials);
    let headline = |title: &str, metric: &str, at: usize, relative_to| {
        Headline::new(title, trials.get(at).map_or("", String::as_str), metric, relative_to)
    };
    let at = |active, size, connections: fn(u32) -> bool| {
        traffics
            .iter()
            .position(|one| one.active == active && one.size == size && connections(one.connections))
    };
    let busy = at(256, 64, |count| count <= 1000).unwrap_or(0);
    let mut headlines = vec![headline("CPU per 64 B message", CPU, busy, Some(FLOOR))];
    if let Some(large) = at(256, 16_384, |_| true).or(at(32, 16_384, |_| true)) {
        headlines.push(headline("CPU per 16 KiB message", CPU, large, Some(FLOOR)));
    }
    if let Some(many) = at(256, 64, |count| count > 1000) {
        headlines.push(headline("CPU per 64 B message, 256 of 18,000 busy", CPU, many, Some(FLOOR)));
    }
    headlines.push(headline("p99 of 64 B, 256 in flight", "p99", busy, Some(REFERENCE)));
    Description {
        name: "echo".to_owned(),
        title: "Echo: what a message costs".to_owned(),
        about: ABOUT.to_owned(),
        metrics: vec![
            Metric::compared(CPU, "CPU of the server per message", "ns"),
            Metric::compared(RATE, "messages per second", "1/s"),
            Metric::compared("p50", "latency, p50", "us"),
            Metric::compared("p99", "latency, p99", "us"),
            Metric::compared("p99.9", "latency, p99.9", "us"),
            Metric::plain(SYSCALLS, "system calls per message (Holdfast's own count)", ""),
        ],
        plots: vec![
            dots("CPU per message, as a ratio to the raw TCP echo", CPU, Some(FLOOR)),
            dots("Messages per second", RATE, None),
            dots("Latency, p50", "p50", None),
            dots("Latency, p99", "p99", None),
            dots("Latency, p99.9", "p99.9", None),
            dots("System calls per message, Holdfast's own count", SYSCALLS, None),
        ],
        headlines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_from_a_report() {
        let report = serde_json::json!({
            "server_cpu_ns_per_message": 9000.5, "messages_per_second": 50000.0,
            "latency_us": {"p50": 1.0, "p90": 2.0, "p99": 3.0, "p99.9": 4.0, "max": 5.0},
            "counters_per_message": {"holdfast_syscalls_total": 0.1},
        });
        let sample = sample(&report).unwrap();
        let figures =
            [(CPU, 9000.5), (RATE, 50000.0), ("p50", 1.0), ("p99", 3.0), ("p99.9", 4.0), (SYSCALLS, 0.1)];
        assert_eq!(sample.figures, figures.map(|(name, value)| (name.to_owned(), value)).into());
    }

    #[test]
    fn a_report_without_cpu_time_is_refused() {
        let report = serde_json::json!({"server_cpu_ns_per_message": null, "messages_per_second": 1.0});
        assert!(sample(&report).is_none());
    }
}
