//! `storm`: everybody connects at once.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::kit::{OTHER_FIELDS, Scale, Scenario, Trial, grouped, per_connection, required, without, words};
use crate::contestants::{BARE, Contestant, REFERENCE, Role};
use crate::results::{Description, Headline, Metric, Plot, Sample};
use crate::rig::Rig;

const ABOUT: &str = "Connections come as fast as they are let in, 1,000 of them in their opening handshake at any \
    moment, or all at once: whoever then finds the accept queue full is dropped by the kernel, and tries again after \
    1, 2, 4 s. Refused: the gateway has room for one connection, which is there, and answers everybody else 503. CPU \
    is that of the whole server process per opening handshake, until it is quiet; its inverse is how many a core can \
    do, however fast the load is. Beside a storm, 300 others exchange 2,000 messages a second by the clock. The bare \
    one accepts, and does nothing else.";

const CPU: &str = "cpu_ns_per_handshake";
const PER_CORE: &str = "handshakes_per_core_second";
const PER_SECOND: &str = "handshakes_per_second";
const WORST: &str = "worst_wait_us";
const BEFORE: &str = "echo_p99_before_us";
const DURING: &str = "echo_p99_during_us";

/// All at once takes seconds of waiting: this many rounds show it.
const AT_ONCE_ROUNDS_MAX: usize = 3;
/// Those that have a limit of connections, and the bare one that only accepts.
const GATEWAYS: [&str; 3] = [REFERENCE, "uring-baseline", "epoll"];
/// Those that everyone looks for, where all of them would take too long.
const CHOSEN: [&str; 5] = [REFERENCE, "uring-baseline", "epoll", "tungstenite-tuned", "fastwebsockets"];

/// The scenario at this scale.
pub(super) fn scenario(contestants: &[Contestant], scale: &Scale) -> Scenario {
    let count = scale.connections(10_000);
    let everyone = without(contestants, &[Role::Floor]);
    let mut chosen = everyone.clone();
    chosen.retain(|one| CHOSEN.contains(&one.name.as_str()));
    let storm = |name: &str, flags: &'static str, contestants: &[Contestant], pause: f32| Trial {
        name: format!("{} connections, {name}", grouped(count)),
        parameters: [("connections".to_owned(), count.into())].into(),
        contestants: contestants.to_vec(),
        rounds: scale.rounds(),
        estimate: per_connection(count) + Duration::from_secs_f32(pause),
        watch: CPU,
        run: Box::new(move |rig, contestant| run(rig, contestant, count, flags)),
        complete: |_| {},
    };
    let in_turn = storm("1,000 at any moment", "--in-flight 1000", &everyone, 0.6);
    let beside = storm("beside echo traffic", "--in-flight 1000 --honest 300 --control 1s", &chosen, 2.0);
    let at_once = storm("all at once", "", &chosen, 5.0);
    let rounds = at_once.rounds.min(AT_ONCE_ROUNDS_MAX);
    let at_once = Trial { rounds, ..at_once };
    let mut gateways = everyone;
    gateways.retain(|one| GATEWAYS.contains(&one.name.as_str()) || one.name == BARE);
    let refused = storm("refused", "--in-flight 1000 --refused", &gateways, 0.6);
    let trials = if scale.quick { vec![in_turn, refused] } else { vec![in_turn, beside, at_once, refused] };
    let names: Vec<String> = trials.iter().map(|trial| trial.name.clone()).collect();
    Scenario { description: description(&names), trials }
}

fn run(rig: &Rig, contestant: &Contestant, count: u32, flags: &str) -> anyhow::Result<Sample> {
    let refused = flags.contains("--refused") && !contestant.raw;
    let room = if refused { words("--connections-max 1") } else { Vec::new() };
    let server = rig.start(contestant, &room)?;
    let mut arguments =
        words(&format!("storm -n {count} --rounds 1 --url {} --pid {} {flags}", server.url, server.pid()));
    if contestant.raw {
        arguments.retain(|argument| argument != "--refused");
        arguments.push("--raw".to_owned());
    }
    let report = rig.load(&arguments, Duration::from_secs(180))?;
    sample(&report).context(OTHER_FIELDS)
}

/// What is kept of a report of one round.
fn sample(report: &Value) -> Option<Sample> {
    let round = report.pointer("/rounds/0")?;
    let mut sample =
        required(round, &[(PER_SECOND, "/per_second"), (WORST, "/wait_us/max"), ("seconds", "/seconds")])?;
    let cpu = round["server_cpu_ns_per_handshake"].as_f64();
    sample.set(CPU, cpu);
    sample.set(PER_CORE, cpu.map(|cpu| 1e9 / cpu));
    sample.set(BEFORE, round["control_us"]["p99"].as_f64());
    sample.set(DURING, round["storm_us"]["p99"].as_f64());
    Some(sample)
}

fn description(trials: &[String]) -> Description {
    let dots = |title: &str, metric: &str, relative_to, trials: &[String]| {
        Plot::dots(title, metric, relative_to, trials)
    };
    let mut plots = vec![
        dots("Opening handshakes per second of a core", PER_CORE, None, &trials[..1]),
        dots(
            "CPU per opening handshake, or per refusal",
            CPU,
            None,
            &[&trials[..1], &trials[trials.len() - 1..]].concat(),
        ),
        dots("Opening handshakes per second, as fast as the load could", PER_SECOND, None, &trials[..1]),
        dots("The worst wait", WORST, None, trials),
    ];
    if let Some(beside) = trials.get(1).filter(|_| trials.len() > 2) {
        let beside = std::slice::from_ref(beside);
        plots.push(dots("Latency of echoes before the storm, p99", BEFORE, None, beside));
        plots.push(dots("Latency of echoes during the storm, p99", DURING, None, beside));
    }
    Description {
        name: "storm".to_owned(),
        title: "Storm: everybody connects at once".to_owned(),
        about: ABOUT.to_owned(),
        metrics: vec![
            Metric::compared(CPU, "CPU of the server per opening handshake", "ns"),
            Metric::compared(PER_CORE, "opening handshakes per second of a core", "1/s"),
            Metric::compared(PER_SECOND, "opening handshakes per second", "1/s"),
            Metric::plain("seconds", "until all were open", "s"),
            Metric::plain(WORST, "the worst wait", "us"),
            Metric::compared(BEFORE, "latency of echoes before, p99", "us"),
            Metric::compared(DURING, "latency of echoes during the storm, p99", "us"),
        ],
        plots,
        headlines: vec![Headline::new("CPU per opening handshake", &trials[0], CPU, Some(BARE))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_from_a_report() {
        let report = serde_json::json!({"rounds": [{
            "per_second": 20000.0, "wait_us": {"p99": 1.0, "max": 7.0}, "seconds": 0.5,
            "server_cpu_ns_per_handshake": 12500.0, "control_us": null, "storm_us": null,
        }]});
        let sample = sample(&report).unwrap();
        assert_eq!([PER_CORE, WORST].map(|key| sample.figures[key]), [80_000.0, 7.0]);
        assert!(!sample.figures.contains_key(DURING));
        assert!(super::sample(&serde_json::json!({"rounds": []})).is_none());
    }
}
