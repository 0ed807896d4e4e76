//! Runs scenarios: contestants in turn, round by round, another one first in each; writes down what was seen after
//! every trial.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::contestants::{BARE, Contestant, FLOOR, REFERENCE};
use crate::interrupt;
use crate::progress::Progress;
use crate::results::{Failure, Results, Round, ScenarioResults, TrialResults};
use crate::rig::Rig;
use crate::scenarios::{Scenario, Trial};

/// Further runs of a noisy trial, at most.
const RERUNS_MAX: usize = 3;
/// Fewer planned rounds are a look: more of them would not make them sure.
const RERUN_ROUNDS_MIN: usize = 6;
/// Who fails this often in a trial is left out of the rest of it.
const FAILURES_MAX: usize = 2;

/// How long it will take, on a quiet machine.
pub(crate) fn estimate(scenarios: &[Scenario]) -> Duration {
    scenarios.iter().map(Scenario::estimate).sum()
}

impl Scenario {
    /// How long its planned rounds will take.
    pub(crate) fn estimate(&self) -> Duration {
        self.trials.iter().map(|trial| trial.estimate_of(trial.rounds)).sum()
    }
}

impl Trial {
    fn estimate_of(&self, rounds: usize) -> Duration {
        let runs = rounds * self.contestants.len();
        self.estimate * u32::try_from(runs).unwrap_or(u32::MAX)
    }
}

/// One run of the suite, under way.
pub(crate) struct Conductor {
    pub(crate) rig: Rig,
    pub(crate) results: Results,
    /// Where the results go, again and again.
    pub(crate) path: PathBuf,
    /// How long reruns of noisy trials may take in all.
    pub(crate) rerun_time: Duration,
    pub(crate) progress: Progress,
}

impl Conductor {
    /// Runs everything. What fails is written down, and does not end the rest.
    ///
    /// # Errors
    ///
    /// When interrupted, or when results cannot be written. What was seen so far is in the file either way.
    pub(crate) fn run(&mut self, scenarios: &[Scenario]) -> anyhow::Result<()> {
        let mut earlier = Earlier::of(std::mem::take(&mut self.results.scenarios), scenarios)?;
        for scenario in scenarios {
            let description = scenario.description.clone();
            let name = description.name.clone();
            self.results.scenarios.push(ScenarioResults { description, trials: Vec::new() });
            for trial in &scenario.trials {
                let seen = earlier.take(&name, trial);
                let rounds = seen.as_ref().map_or(0, |seen| seen.rounds.len().min(trial.rounds));
                self.progress.shorten(trial.estimate_of(rounds));
                let seen = match seen {
                    Some(whole) if whole.rounds.len() >= trial.rounds => whole,
                    seen => self.run_trial(trial, &name, seen),
                };
                if let Some(last) = self.results.scenarios.last_mut().filter(|_| !seen.rounds.is_empty()) {
                    last.trials.push(seen);
                }
                self.results.write(&self.path)?;
                interrupt::check()?;
            }
        }
        self.run_noisy_again(scenarios)?;
        self.results.complete = true;
        self.results.write(&self.path)
    }

    /// All rounds of one trial; as many as there were when a signal came. `seen` are the first of them, of an earlier
    /// run.
    fn run_trial(&mut self, trial: &Trial, scenario: &str, seen: Option<TrialResults>) -> TrialResults {
        let mut seen = seen.unwrap_or_else(|| TrialResults {
            name: trial.name.clone(),
            parameters: trial.parameters.clone(),
            planned: trial.rounds,
            rounds: Vec::new(),
            failures: Vec::new(),
        });
        let everyone: Vec<&Contestant> = trial.contestants.iter().collect();
        let from = seen.rounds.len();
        self.rounds(trial, &everyone, from, &mut seen, &format!("{scenario}, {}", trial.name));
        seen
    }

    /// Once all trials have been run: those that are noisy again, and once more, as far as there is time for it. None
    /// has its second rerun before all had their first.
    fn run_noisy_again(&mut self, scenarios: &[Scenario]) -> anyhow::Result<()> {
        for rerun in 1..=RERUNS_MAX {
            for scenario in scenarios {
                for trial in &scenario.trials {
                    self.rerun(trial, &scenario.description.name, rerun)?;
                }
            }
        }
        Ok(())
    }

    fn rerun(&mut self, trial: &Trial, scenario: &str, rerun: usize) -> anyhow::Result<()> {
        interrupt::check()?;
        let Some(mut seen) = self.seen(scenario, &trial.name).cloned() else { return Ok(()) };
        let noisy = seen.noisy(trial.watch);
        // An earlier run, which this one goes on with, may have come so far.
        let was_done = seen.rounds.len() > trial.rounds * rerun;
        if noisy.is_empty() || was_done || trial.rounds < RERUN_ROUNDS_MIN {
            return Ok(());
        }
        // With the noisy ones run those that they are compared with.
        let again = |one: &&Contestant| {
            noisy.contains(&one.name) || [REFERENCE, FLOOR, BARE].contains(&one.name.as_str())
        };
        let again: Vec<&Contestant> = trial.contestants.iter().filter(again).collect();
        let needed = trial.estimate * u32::try_from(again.len() * trial.rounds).unwrap_or(u32::MAX);
        if needed > self.rerun_time {
            self.progress.say(&format!("{}: noisy, and no time left to run it again", trial.name));
            return Ok(());
        }
        self.progress.say(&format!("{}: noisy ({}), rerun {rerun}", trial.name, noisy.join(", ")));
        self.progress.lengthen(needed);
        let start = Instant::now();
        self.rounds(trial, &again, 0, &mut seen, &format!("{scenario}, {}, rerun {rerun}", trial.name));
        self.rerun_time = self.rerun_time.saturating_sub(start.elapsed());
        if let Some(place) = self.seen(scenario, &trial.name) {
            *place = seen;
        }
        self.results.write(&self.path)?;
        interrupt::check()
    }

    /// What was seen of a trial so far.
    fn seen(&mut self, scenario: &str, trial: &str) -> Option<&mut TrialResults> {
        let scenarios = self.results.scenarios.iter_mut().filter(|it| it.description.name == scenario);
        scenarios.flat_map(|it| &mut it.trials).find(|it| it.name == trial)
    }

    fn rounds(
        &mut self,
        trial: &Trial,
        who: &[&Contestant],
        from: usize,
        seen: &mut TrialResults,
        label: &str,
    ) {
        for number in from..trial.rounds {
            let mut round = Round::default();
            for step in 0..who.len() {
                // Another one begins each round, so that none always follows the same other.
                let contestant = who[(number + step) % who.len()];
                if interrupt::asked() {
                    break;
                }
                self.progress.at(&format!(
                    "{label}: {}, round {} of {}",
                    contestant.name,
                    number + 1,
                    trial.rounds
                ));
                if seen.is_left_out(&contestant.name) {
                    self.progress.advance(trial.estimate);
                    continue;
                }
                match (trial.run)(&self.rig, contestant) {
                    Ok(sample) => {
                        round.order.push(contestant.name.clone());
                        round.samples.insert(contestant.name.clone(), sample);
                    }
                    // Then it is not the contestant that failed.
                    Err(_) if interrupt::asked() => break,
                    Err(error) => {
                        let error = format!("{error:#}");
                        self.progress.say(&format!("{label}: {} failed: {error}", contestant.name));
                        let round = seen.rounds.len();
                        seen.failures.push(Failure { contestant: contestant.name.clone(), round, error });
                    }
                }
                self.progress.advance(trial.estimate);
            }
            if !round.samples.is_empty() {
                (trial.complete)(&mut round);
                seen.rounds.push(round);
            }
        }
    }
}

/// What an interrupted run has seen, scenario by scenario: it need not be run again.
struct Earlier(Vec<(String, TrialResults)>);

impl Earlier {
    /// # Errors
    ///
    /// When something was run that is not planned now: its rounds would be lost.
    fn of(seen: Vec<ScenarioResults>, planned: &[Scenario]) -> anyhow::Result<Self> {
        let trials = seen.into_iter().flat_map(|it| {
            let name = it.description.name;
            it.trials.into_iter().map(move |trial| (name.clone(), trial))
        });
        let earlier = Self(trials.collect());
        for (scenario, trial) in &earlier.0 {
            let is_planned = planned.iter().filter(|it| it.description.name == *scenario);
            let is_planned = is_planned.flat_map(|it| &it.trials).any(|it| it.is_that_of(trial));
            anyhow::ensure!(
                is_planned,
                "what was run of {scenario}, {}, is not what is asked for now",
                trial.name
            );
        }
        Ok(earlier)
    }

    fn take(&mut self, scenario: &str, trial: &Trial) -> Option<TrialResults> {
        let index = self.0.iter().position(|(name, seen)| name == scenario && trial.is_that_of(seen))?;
        Some(self.0.remove(index).1)
    }
}

impl Trial {
    fn is_that_of(&self, seen: &TrialResults) -> bool {
        self.name == seen.name && self.parameters == seen.parameters && self.rounds == seen.planned
    }
}

impl TrialResults {
    fn is_left_out(&self, contestant: &str) -> bool {
        self.failures.iter().filter(|failure| failure.contestant == contestant).count() >= FAILURES_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    use super::*;
    use crate::contestants::Role;
    use crate::machine::{Machine, Versions};
    use crate::results::{Description, Sample};

    fn contestant(name: &str) -> Contestant {
        Contestant {
            name: name.to_owned(),
            note: String::new(),
            role: Role::Variant,
            program: "it".into(),
            arguments: Vec::new(),
            raw: false,
        }
    }

    fn trial(rounds: usize, names: &[&str], run: impl Fn(&str) -> anyhow::Result<f64> + 'static) -> Scenario {
        let run = move |_: &Rig, contestant: &Contestant| {
            let mut sample = Sample::default();
            sample.set("cpu", Some(run(&contestant.name)?));
            Ok(sample)
        };
        let trial = Trial {
            name: "one".to_owned(),
            parameters: [].into(),
            contestants: names.iter().map(|name| contestant(name)).collect(),
            rounds,
            estimate: Duration::from_secs(1),
            watch: "cpu",
            run: Box::new(run),
            complete: |_| {},
        };
        Scenario { description: Description::default(), trials: vec![trial] }
    }

    /// What is in the file after a run.
    fn run(scenario: Scenario, rerun_time: Duration) -> TrialResults {
        let seen = run_on(&[scenario], rerun_time, begun()).unwrap();
        seen.scenarios[0].trials[0].clone()
    }

    fn begun() -> Results {
        Results::begin(Machine::here(), Versions::default(), false, (0, 0))
    }

    fn run_on(scenarios: &[Scenario], rerun_time: Duration, results: Results) -> anyhow::Result<Results> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        let mut conductor = Conductor {
            rig: Rig { load: "none".into(), server_cpu: 0, load_cpu: 0, real_time: false },
            results,
            path: path.clone(),
            rerun_time,
            progress: Progress::new(Duration::from_secs(1)),
        };
        conductor.run(scenarios)?;
        let results = Results::read(&path).unwrap();
        assert!(results.complete);
        Ok(results)
    }

    #[test]
    fn an_interrupted_run_is_gone_on_with_where_it_was() {
        let whole = run_on(&[trial(3, &["a", "b"], |_| Ok(1.0))], Duration::ZERO, begun()).unwrap();
        let mut cut = whole.clone();
        cut.complete = false;
        cut.scenarios[0].trials[0].rounds.truncate(2);
        let mut again = begun();
        again.go_on_with(cut).unwrap();
        assert_eq!((&again.date, again.went_on.len()), (&whole.date, 1));
        let seen = run_on(&[trial(3, &["a", "b"], |_| Ok(2.0))], Duration::ZERO, again).unwrap();
        let cpus: Vec<f64> =
            seen.scenarios[0].trials[0].rounds.iter().map(|it| it.samples["a"].figures["cpu"]).collect();
        assert_eq!(cpus, [1.0, 1.0, 2.0]);
        let orders: Vec<String> =
            seen.scenarios[0].trials[0].rounds.iter().map(|it| it.order.concat()).collect();
        assert_eq!(orders, ["ab", "ba", "ab"]);
    }

    #[test]
    fn what_is_whole_is_not_run_again_and_what_is_not_asked_for_is_refused() {
        let mut cut = run_on(&[trial(3, &["a"], |_| Ok(1.0))], Duration::ZERO, begun()).unwrap();
        assert!(begun().go_on_with(cut.clone()).is_err(), "it is complete");
        cut.complete = false;
        let mut again = begun();
        again.go_on_with(cut).unwrap();
        let never = || trial(3, &["a"], |_| anyhow::bail!("run again"));
        let seen = run_on(&[never()], Duration::ZERO, again.clone()).unwrap();
        assert!(seen.scenarios[0].trials[0].failures.is_empty());
        let other = trial(4, &["a"], |_| Ok(1.0));
        let refused = run_on(&[other], Duration::ZERO, again).unwrap_err().to_string();
        assert!(refused.contains("not what is asked for now"), "{refused}");
        let mut elsewhere = begun();
        elsewhere.machine.cpus += 1;
        elsewhere.complete = false;
        assert!(begun().go_on_with(elsewhere).is_err());
    }

    #[test]
    fn each_round_begins_with_another_one() {
        let seen = run(trial(4, &["a", "b", "c"], |_| Ok(1.0)), Duration::ZERO);
        let orders: Vec<String> = seen.rounds.iter().map(|round| round.order.concat()).collect();
        assert_eq!(orders, ["abc", "bca", "cab", "abc"]);
    }

    #[test]
    fn one_that_fails_is_written_down_and_left_out_and_the_others_go_on() {
        let runs = Rc::new(Cell::new(0));
        let count = Rc::clone(&runs);
        let scenario = trial(5, &["good", "bad"], move |name| {
            anyhow::ensure!(name == "good", "lost: end of stream");
            count.set(count.get() + 1);
            Ok(1.0)
        });
        let seen = run(scenario, Duration::ZERO);
        assert_eq!((runs.get(), seen.rounds.len(), seen.failures.len()), (5, 5, FAILURES_MAX));
        assert_eq!(seen.failures[0].error, "lost: end of stream");
    }

    /// Values that the reference does not have, so that its ratio to `wild` is noisy.
    fn wild() -> impl Fn(&str) -> anyhow::Result<f64> {
        let turn = Cell::new(0.0);
        move |name| {
            turn.set(turn.get() + 1.0);
            Ok(if name == "wild" { turn.get() } else { 1.0 })
        }
    }

    #[test]
    fn noisy_ones_are_run_again_three_times_at_most_and_all_rounds_are_kept() {
        let names = [REFERENCE, "wild", "calm"];
        let seen = run(trial(6, &names, wild()), Duration::from_secs(3600));
        assert_eq!((seen.planned, seen.rounds.len()), (6, 24));
        assert_eq!(seen.figure("wild", "cpu").unwrap().count, 24);
        assert_eq!(seen.figure("calm", "cpu").unwrap().count, 6);
    }

    #[test]
    fn no_trial_is_run_a_second_time_again_before_all_noisy_ones_were() {
        let runs = Rc::new(RefCell::new(Vec::new()));
        let named = |name: &'static str| {
            let (runs, value) = (Rc::clone(&runs), wild());
            let mut scenario = trial(6, &[REFERENCE, "wild"], move |contestant| {
                runs.borrow_mut().push(name);
                value(contestant)
            });
            scenario.description.name = name.to_owned();
            scenario
        };
        run_on(&[named("one"), named("other")], Duration::from_secs(3600), begun()).unwrap();
        let mut order = runs.take();
        order.dedup();
        assert_eq!(order, ["one", "other"].repeat(4));
    }

    #[test]
    fn nothing_is_run_again_without_time_or_after_a_mere_look() {
        let names = [REFERENCE, "wild"];
        assert_eq!(run(trial(6, &names, wild()), Duration::from_secs(11)).rounds.len(), 6);
        assert_eq!(run(trial(5, &names, wild()), Duration::from_secs(3600)).rounds.len(), 5);
    }
}
