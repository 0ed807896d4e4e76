//! What contestants are put through. Each scenario is a file: what it is about, its trials, and what a run of one is.

mod arena;
mod churn;
mod echo;
mod fan_out;
mod held;
mod idle;
mod open_loop;
mod storm;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::contestants::{Contestant, Role};
use crate::report;
use crate::results::{About, Description, Round, Sample};
use crate::rig::Rig;

/// Rounds of what is published: nine pairs give an interval that is 96 % sure.
const ROUNDS: usize = 9;
/// Rounds of a quick look.
const QUICK_ROUNDS: usize = 2;

/// How much to do.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// Few rounds and trials.
    pub(crate) quick: bool,
    /// Rounds, where they were chosen.
    pub(crate) rounds: Option<usize>,
    /// Connections that Holdfast alone is grown to.
    pub(crate) grow_max: u32,
    /// Descriptors that a process may hold.
    pub(crate) descriptors_max: u64,
}

impl Scale {
    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { QUICK_ROUNDS } else { ROUNDS })
    }

    /// At most as many connections as one process can hold, some descriptors left for other things.
    fn connections(&self, wanted: u32) -> u32 {
        const OTHERS: u64 = 1000;
        u32::try_from(self.descriptors_max.saturating_sub(OTHERS)).unwrap_or(u32::MAX).min(wanted)
    }
}

/// A scenario, ready to be run.
pub(crate) struct Scenario {
    pub(crate) description: Description,
    pub(crate) trials: Vec<Trial>,
}

/// How one run of a trial is made.
pub(crate) type Run = Box<dyn Fn(&Rig, &Contestant) -> anyhow::Result<Sample>>;

/// One thing that every one of `contestants` is put through, round by round.
pub(crate) struct Trial {
    pub(crate) name: String,
    pub(crate) parameters: BTreeMap<String, f64>,
    pub(crate) contestants: Vec<Contestant>,
    pub(crate) rounds: usize,
    /// About how long a run takes on a quiet machine, start and end of the server included.
    pub(crate) estimate: Duration,
    /// The metric whose ratios must be sure, else further rounds are run.
    pub(crate) watch: &'static str,
    pub(crate) run: Run,
    /// What can be said of samples only beside the others of their round.
    pub(crate) complete: fn(&mut Round),
}

/// The names of all scenarios, in the order in which `all` runs them.
pub(crate) const NAMES: [&str; 8] =
    ["idle", "echo", "held", "open-loop", "fan-out", "storm", "arena", "churn"];

/// The scenario called `name`; `None` if there is none.
pub(crate) fn scenario(name: &str, contestants: &[Contestant], scale: &Scale) -> Option<Scenario> {
    match name {
        "idle" => Some(idle::scenario(contestants, scale)),
        "echo" => Some(echo::scenario(contestants, scale)),
        "held" => Some(held::scenario(contestants, scale)),
        "open-loop" => Some(open_loop::scenario(contestants, scale)),
        "fan-out" => Some(fan_out::scenario(contestants, scale)),
        "storm" => Some(storm::scenario(contestants, scale)),
        "arena" => Some(arena::scenario(contestants, scale)),
        "churn" => Some(churn::scenario(contestants, scale)),
        _ => None,
    }
}

/// Arguments of `holdfast-load` from words and numbers.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Everybody who is in any of `scenarios`, once.
pub(crate) fn contestants(scenarios: &[Scenario]) -> Vec<About> {
    let mut all: Vec<About> = Vec::new();
    let everyone =
        scenarios.iter().flat_map(|scenario| &scenario.trials).flat_map(|trial| &trial.contestants);
    for one in everyone {
        // With more shards it is still the same one.
        if !all.iter().any(|other| other.name == one.name) {
            all.push(one.about());
        }
    }
    all
}

/// What is kept of a report: metrics by where they are in it; `None` unless all of them are.
fn required(report: &Value, metrics: &[(&str, &str)]) -> Option<Sample> {
    let mut sample = Sample::default();
    for (key, pointer) in metrics {
        sample.set(key, Some(report.pointer(pointer)?.as_f64()?));
    }
    Some(sample)
}

/// Latency, p50 and p99, measured once more with both ends at real-time priority: what the server does, without what
/// else the machine does meanwhile.
const REAL_TIME: [(&str, &str); 2] =
    [("p50_real_time", "/real_time_latency_us/p50"), (P99_REAL_TIME, "/real_time_latency_us/p99")];
const P99_REAL_TIME: &str = "p99_real_time";

/// The argument that asks `holdfast-load` for it, where it is allowed.
fn real_time(rig: &Rig) -> Option<String> {
    rig.real_time.then(|| "--real-time".to_owned())
}

/// Adds it to `sample`, if it was measured.
fn set_real_time(sample: &mut Sample, report: &Value) {
    for (key, pointer) in REAL_TIME {
        sample.set(key, report.pointer(pointer).and_then(Value::as_f64));
    }
}

/// Those whose role is not among `others`.
fn without(contestants: &[Contestant], others: &[Role]) -> Vec<Contestant> {
    contestants.iter().filter(|one| !others.contains(&one.role)).cloned().collect()
}

/// About how long `count` connections take to be opened and closed.
fn per_connection(count: u32) -> Duration {
    Duration::from_micros(160) * count
}

/// Shards for `count` connections where each holds `per_shard`: some more, since SO_REUSEPORT spreads them unevenly.
fn shards(count: u32, per_shard: u32) -> u32 {
    let needed = count.div_ceil(per_shard.max(1));
    if needed == 1 { 1 } else { (needed * 21).div_ceil(20) }
}

/// What a report of another version of `holdfast-load` is told.
const OTHER_FIELDS: &str = "its report has other fields than expected: build the tools anew";

/// 18000 as `18,000`.
fn grouped(count: u32) -> String {
    report::grouped(&count.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Plot;

    /// What plots and headlines want to show and `trials` do not have.
    fn unknown(description: &Description, trials: &[Trial]) -> Vec<String> {
        let mut wanted: Vec<&String> = description.headlines.iter().map(|headline| &headline.trial).collect();
        let mut metrics: Vec<&String> =
            description.headlines.iter().map(|headline| &headline.metric).collect();
        for plot in &description.plots {
            match plot {
                Plot::Dots { metric, trials, .. } => {
                    metrics.push(metric);
                    wanted.extend(trials);
                }
                Plot::Lines { trial, .. } => wanted.push(trial),
            }
        }
        wanted.retain(|name| !trials.iter().any(|trial| trial.name == **name));
        metrics.retain(|key| !description.metrics.iter().any(|metric| metric.key == **key));
        wanted.into_iter().chain(metrics).cloned().collect()
    }

    #[test]
    fn shards_have_room_to_spare() {
        assert_eq!([shards(18_000, 19_000), shards(200_000, 19_000), shards(1_000_000, 19_000)], [1, 12, 56]);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [0, 999, 1000, 18_000, 1_000_000].map(grouped),
            ["0", "999", "1,000", "18,000", "1,000,000"]
        );
    }

    #[test]
    fn no_more_connections_than_descriptors() {
        let scale = Scale { quick: true, rounds: None, grow_max: 0, descriptors_max: 4096 };
        assert_eq!((scale.connections(1000), scale.connections(18_000)), (1000, 3096));
    }

    #[test]
    fn every_name_is_a_scenario_whose_plots_and_headlines_show_what_it_measures() {
        for quick in [false, true] {
            let scale = Scale { quick, rounds: None, grow_max: 200_000, descriptors_max: 20_000 };
            for name in NAMES {
                let scenario = scenario(name, &[], &scale).unwrap();
                assert_eq!(scenario.description.name, name);
                let unknown = unknown(&scenario.description, &scenario.trials);
                assert!(unknown.is_empty(), "{name} shows {unknown:?}, which it does not measure");
            }
        }
        let scale = Scale { quick: true, rounds: None, grow_max: 0, descriptors_max: 20_000 };
        assert!(scenario("other", &[], &scale).is_none());
    }
}
