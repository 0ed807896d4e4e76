//! What a run has seen, as it is kept: every single sample, and the words to show it with. Medians, intervals and
//! ratios are computed from it when it is shown, so that they cannot disagree with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::contestants::{About, Skipped};
use crate::machine::{Machine, Versions};

/// Changes when an older file can no longer be read.
const FORMAT: u32 = 1;

/// One run of the suite.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Results {
    pub(crate) format: u32,
    /// When it began, RFC 3339, UTC.
    pub(crate) date: String,
    pub(crate) command: String,
    /// When it was gone on with after an interruption.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) went_on: Vec<String>,
    /// Fewer rounds and points than what is worth publishing.
    pub(crate) quick: bool,
    /// Whether everything that was planned was run.
    pub(crate) complete: bool,
    pub(crate) machine: Machine,
    pub(crate) versions: Versions,
    pub(crate) server_cpu: usize,
    pub(crate) load_cpu: usize,
    pub(crate) contestants: Vec<About>,
    /// Contestants that were not there, and why.
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) scenarios: Vec<ScenarioResults>,
}

/// What a scenario has shown.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct ScenarioResults {
    #[serde(flatten)]
    pub(crate) description: Description,
    pub(crate) trials: Vec<TrialResults>,
}

/// What a scenario is about and how it is shown.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) about: String,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) plots: Vec<Plot>,
    pub(crate) headlines: Vec<Headline>,
}

/// A number that each sample has.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Metric {
    /// Its name in the samples.
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) unit: String,
    /// Whether ratios between contestants are published.
    pub(crate) ratio: bool,
}

impl Metric {
    /// A metric that stands alone.
    pub(crate) fn plain(key: &str, title: &str, unit: &str) -> Self {
        Self { key: key.to_owned(), title: title.to_owned(), unit: unit.to_owned(), ratio: false }
    }

    /// A metric that contestants are compared by.
    pub(crate) fn compared(key: &str, title: &str, unit: &str) -> Self {
        Self { ratio: true, ..Self::plain(key, title, unit) }
    }
}

/// A picture.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Plot {
    /// A metric of each contestant, a group for each of `trials`; as a ratio to a contestant, if `relative_to` names
    /// one.
    Dots { title: String, metric: String, relative_to: Option<String>, trials: Vec<String> },
    /// A curve of each contestant in one trial.
    Lines { title: String, curve: String, trial: String, x: String, y: String },
}

impl Plot {
    /// Dots for each of `trials`.
    pub(crate) fn dots(title: &str, metric: &str, relative_to: Option<&str>, trials: &[String]) -> Self {
        let (title, metric) = (title.to_owned(), metric.to_owned());
        Self::Dots { title, metric, relative_to: relative_to.map(str::to_owned), trials: trials.to_vec() }
    }
}

/// A column of the table of results.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Headline {
    pub(crate) title: String,
    pub(crate) trial: String,
    pub(crate) metric: String,
    /// As a ratio to this contestant.
    pub(crate) relative_to: Option<String>,
}

impl Headline {
    /// A column for a metric of a trial.
    pub(crate) fn new(title: &str, trial: &str, metric: &str, relative_to: Option<&str>) -> Self {
        let (title, trial, metric) = (title.to_owned(), trial.to_owned(), metric.to_owned());
        Self { title, trial, metric, relative_to: relative_to.map(str::to_owned) }
    }
}

/// One thing that every contestant was put through, round by round.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct TrialResults {
    pub(crate) name: String,
    pub(crate) parameters: BTreeMap<String, f64>,
    /// Rounds planned; further ones were run because the first were noisy.
    pub(crate) planned: usize,
    pub(crate) rounds: Vec<Round>,
    pub(crate) failures: Vec<Failure>,
}

/// Each contestant once, one after the other.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Round {
    /// Who ran when.
    pub(crate) order: Vec<String>,
    pub(crate) samples: BTreeMap<String, Sample>,
}

/// What was seen of one contestant in one round.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Sample {
    pub(crate) figures: BTreeMap<String, f64>,
    /// Numbers that depend on another one: (x, y).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) curves: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Sample {
    /// Adds a figure, unless it is none: JSON has no NaN.
    pub(crate) fn set(&mut self, key: &str, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.figures.insert(key.to_owned(), value);
        }
    }
}

/// A run that did not give a sample.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Failure {
    pub(crate) contestant: String,
    /// 0-based.
    pub(crate) round: usize,
    pub(crate) error: String,
}

impl Results {
    /// An empty one, begun now.
    pub(crate) fn begin(machine: Machine, versions: Versions, quick: bool, cpus: (usize, usize)) -> Self {
        let mut arguments = std::env::args();
        let program = arguments.next().unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default().to_owned();
        Self {
            format: FORMAT,
            date: now(),
            command: std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" "),
            went_on: Vec::new(),
            quick,
            complete: false,
            machine,
            versions,
            server_cpu: cpus.0,
            load_cpu: cpus.1,
            contestants: Vec::new(),
            skipped: Vec::new(),
            scenarios: Vec::new(),
        }
    }

    /// Takes over what `earlier`, an interrupted run, has seen of the same.
    ///
    /// # Errors
    ///
    /// When there is nothing to go on with, or it was seen elsewhere, or of something else: figures are only compared
    /// with figures of the same machine and the same programs.
    pub(crate) fn go_on_with(&mut self, earlier: Self) -> anyhow::Result<()> {
        ensure!(!earlier.complete, "that run is complete: there is nothing to go on with");
        ensure!(earlier.machine == self.machine, "that run was made on another machine: {}", earlier.machine);
        ensure!(
            earlier.versions == self.versions,
            "that run was of other versions: commit {}",
            earlier.versions.commit
        );
        let same = earlier.quick == self.quick
            && (earlier.server_cpu, earlier.load_cpu) == (self.server_cpu, self.load_cpu)
            && earlier.contestants == self.contestants;
        ensure!(same, "that run was asked for something else: {}", earlier.command);
        self.went_on = earlier.went_on;
        self.went_on.push(now());
        (self.date, self.command, self.scenarios) = (earlier.date, earlier.command, earlier.scenarios);
        Ok(())
    }

    /// Reads a file that [`Results::write`] has written.
    ///
    /// # Errors
    ///
    /// When there is none, or it is of another format.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("reading {name}"))?;
        let results: Self = serde_json::from_str(&text)
            .with_context(|| format!("{name} was not written by holdfast-bench"))?;
        ensure!(
            results.format == FORMAT,
            "{name} has format {}, this program reads {FORMAT}",
            results.format
        );
        Ok(results)
    }

    /// Writes the file anew: whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        write_whole(path, &format!("{}\n", serde_json::to_string_pretty(self)?))
    }

    /// The date without the time.
    pub(crate) fn day(&self) -> &str {
        self.date.split('T').next().unwrap_or_default()
    }
}

/// RFC 3339, UTC.
fn now() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}

/// Writes a file so that nobody ever sees half of it.
pub(crate) fn write_whole(path: &Path, text: &str) -> anyhow::Result<()> {
    let other = path.with_extension("tmp");
    fs::write(&other, text).with_context(|| format!("writing {}", other.display()))?;
    fs::rename(&other, path).with_context(|| format!("writing {}", path.display()))
}

/// The end of the names of files that README's table and plot are made of.
const PUBLISHED: &str = "-all.json";

/// A path for new results in `folder` that no earlier ones have: nothing is thrown away.
pub(crate) fn free_path(folder: &Path, day: &str, name: &str) -> PathBuf {
    let first = folder.join(format!("{day}-{name}.json"));
    let others = (2..).map(|number| folder.join(format!("{day}.{number}-{name}.json")));
    std::iter::once(first).chain(others).find(|path| !path.exists()).unwrap_or_default()
}

/// The newest results in `folder` that are worth publishing, by their date; `None` if there are none yet.
///
/// # Errors
///
/// When any cannot be read.
pub(crate) fn newest(folder: &Path) -> anyhow::Result<Option<(PathBuf, Results)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(PUBLISHED) {
            let results = Results::read(&path)?;
            if results.complete {
                found.push((path, results));
            }
        }
    }
    Ok(found.into_iter().max_by(|(_, one), (_, other)| one.date.cmp(&other.date)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, date: &str, complete: bool) {
        let mut results = Results::begin(Machine::here(), Versions::default(), false, (0, 1));
        results.date = date.to_owned();
        results.complete = complete;
        results.write(&folder.join(name)).unwrap();
    }

    #[test]
    fn the_newest_complete_run_of_all_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(newest(folder).unwrap().is_none());
        write(folder, "2026-11-23-all.json", "2026-11-23T09:00:00Z", true);
        write(folder, "2026-11-23.2-all.json", "2026-11-23T10:00:00Z", true);
        write(folder, "2026-11-24-all.json", "2026-11-24T09:00:00Z", false);
        write(folder, "2026-11-25-all-quick.json", "2026-11-25T09:00:00Z", true);
        let (path, _) = newest(folder).unwrap().unwrap();
        assert!(path.ends_with("2026-11-23.2-all.json"));
    }

    #[test]
    fn a_second_run_of_a_day_leaves_the_first_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = free_path(folder.path(), "2026-11-23", "all");
        assert!(path.ends_with("2026-11-23-all.json"));
        fs::write(path, "").unwrap();
        assert!(free_path(folder.path(), "2026-11-23", "all").ends_with("2026-11-23.2-all.json"));
    }

    #[test]
    fn a_file_of_another_kind_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compare.json");
        fs::write(&path, "{}").unwrap();
        let error = format!("{:#}", Results::read(&path).unwrap_err());
        assert!(error.contains("compare.json was not written by holdfast-bench"), "{error}");
    }

    #[test]
    fn a_figure_that_is_none_is_left_out() {
        let mut sample = Sample::default();
        sample.set("nan", Some(f64::NAN));
        sample.set("none", None);
        assert_eq!(sample, Sample::default());
    }
}
