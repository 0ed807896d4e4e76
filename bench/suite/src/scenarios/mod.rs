//! What contestants are put through. Each scenario is a file: what it is about, its trials, and what a run of one is.

mod arena;
mod churn;
mod echo;
mod fan_out;
mod held;
mod idle;
mod kit;
mod open_loop;
mod storm;

pub(crate) use kit::{Scale, Scenario, Trial};

use crate::contestants::{About, Contestant};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Description, Plot};

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
