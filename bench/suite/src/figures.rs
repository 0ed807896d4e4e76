//! Medians, intervals and ratios of what was kept.

use crate::contestants::REFERENCE;
use crate::results::{Sample, ScenarioResults, TrialResults};
use crate::statistics::{Estimate, median};

/// A half-width of the interval of a ratio above this share of it is noise.
pub(crate) const DOUBT_MAX: f64 = 0.03;

impl TrialResults {
    /// What the samples of a contestant say.
    fn figures(&self, contestant: &str, metric: &str) -> Vec<f64> {
        let samples = self.rounds.iter().filter_map(|round| round.samples.get(contestant));
        samples.filter_map(|sample| sample.figures.get(metric)).copied().collect()
    }

    /// A metric of one contestant, all rounds together.
    pub(crate) fn figure(&self, contestant: &str, metric: &str) -> Option<Estimate> {
        Estimate::new(&self.figures(contestant, metric))
    }

    /// A metric of one contestant by that of another, pair by pair: both of a pair ran in the same round.
    pub(crate) fn ratio(&self, above: &str, below: &str, metric: &str) -> Option<Estimate> {
        let of = |sample: Option<&Sample>| sample?.figures.get(metric).copied();
        let pairs = self.rounds.iter().filter_map(|round| {
            let ratio = of(round.samples.get(above))? / of(round.samples.get(below))?;
            ratio.is_finite().then_some(ratio)
        });
        Estimate::new(&pairs.collect::<Vec<f64>>())
    }

    /// Those whose ratio to the reference is noisy.
    pub(crate) fn noisy(&self, metric: &str) -> Vec<String> {
        let names = self.contestants();
        let noisy = names.into_iter().filter(|name| {
            name != REFERENCE
                && self.ratio(REFERENCE, name, metric).is_some_and(|ratio| ratio.doubt() > DOUBT_MAX)
        });
        noisy.collect()
    }

    /// Those with any sample, in no particular order.
    pub(crate) fn contestants(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.rounds.iter().flat_map(|round| round.samples.keys().cloned()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// A curve of one contestant: at each x the median over the rounds.
    pub(crate) fn curve(&self, contestant: &str, name: &str) -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for sample in self.rounds.iter().filter_map(|round| round.samples.get(contestant)) {
            points.extend(sample.curves.get(name).into_iter().flatten());
        }
        points.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let steps = points.chunk_by(|(one, _), (other, _)| one.total_cmp(other).is_eq());
        steps.map(|step| (step[0].0, median(&step.iter().map(|(_, y)| *y).collect::<Vec<_>>()))).collect()
    }

    /// Figures that are no metric of the table but begin with `prefix`, by name.
    pub(crate) fn named(&self, prefix: &str) -> Vec<String> {
        let samples = self.rounds.iter().flat_map(|round| round.samples.values());
        let mut names: Vec<String> = samples.flat_map(|sample| sample.figures.keys().cloned()).collect();
        names.retain(|name| name.starts_with(prefix));
        names.sort();
        names.dedup();
        names
    }
}

impl ScenarioResults {
    /// The trial of that name.
    pub(crate) fn trial(&self, name: &str) -> Option<&TrialResults> {
        self.trials.iter().find(|trial| trial.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Round;

    fn round(samples: &[(&str, f64)]) -> Round {
        let mut round = Round::default();
        for (name, value) in samples {
            let mut sample = Sample::default();
            sample.set("cpu", Some(*value));
            sample.curves.insert("each".into(), vec![(10.0, *value), (1.0, 2.0 * value)]);
            round.samples.insert((*name).to_owned(), sample);
        }
        round
    }

    fn trial(rounds: &[&[(&str, f64)]]) -> TrialResults {
        TrialResults {
            name: "it".into(),
            parameters: [].into(),
            planned: rounds.len(),
            rounds: rounds.iter().map(|samples| round(samples)).collect(),
            failures: Vec::new(),
        }
    }

    #[test]
    fn a_ratio_is_taken_within_rounds_and_never_across_them() {
        // The machine is twice as slow in the second round: the ratio does not notice.
        let trial = trial(&[
            &[(REFERENCE, 10.0), ("it", 20.0)],
            &[(REFERENCE, 20.0), ("it", 40.0)],
            &[(REFERENCE, 10.0)],
        ]);
        let ratio = trial.ratio(REFERENCE, "it", "cpu").unwrap();
        assert_eq!((ratio.median, ratio.low, ratio.high, ratio.count), (0.5, 0.5, 0.5, 2));
        assert_eq!(trial.figure(REFERENCE, "cpu").unwrap().count, 3);
        assert!(trial.ratio(REFERENCE, "nobody", "cpu").is_none());
    }

    #[test]
    fn only_a_wide_interval_is_noisy() {
        let calm = [(REFERENCE, 10.0), ("calm", 20.0), ("wild", 20.0)];
        let wild = [(REFERENCE, 10.0), ("calm", 20.1), ("wild", 25.0)];
        assert_eq!(trial(&[&calm, &wild, &calm]).noisy("cpu"), ["wild"]);
    }

    #[test]
    fn a_curve_is_the_median_at_each_place() {
        let trial = trial(&[&[("it", 1.0)], &[("it", 5.0)], &[("it", 2.0)]]);
        assert_eq!(trial.curve("it", "each"), [(1.0, 4.0), (10.0, 2.0)]);
    }
}
