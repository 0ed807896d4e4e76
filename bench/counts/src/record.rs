//! What was counted, what is recorded, and the difference.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;

/// By name: a number for each time the work was done.
pub(crate) type Counts = BTreeMap<String, f64>;
/// By what counts depend on, such as the compiler. What differs in that is not compared.
type Record = BTreeMap<String, Counts>;

/// By how much of what is recorded a count may grow.
const GROWTH_MAX: f64 = 0.03;

/// What was counted just now.
#[derive(Debug)]
pub(crate) struct Counted {
    /// What the counts depend on.
    pub(crate) setting: String,
    pub(crate) counts: Counts,
    /// By how much the count of that name may grow beyond [`GROWTH_MAX`], in its own unit, where chance plays a part.
    pub(crate) slack: fn(&str) -> f64,
}

/// How a comparison ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing has grown by more than it may, or there is nothing to compare with.
    Fine,
    /// Something has, or is not recorded.
    Worse,
}

/// One count beside the recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    /// Fewer, so that it should be recorded.
    Better,
    Worse,
    Unrecorded,
}

impl Counted {
    /// Compares with the record, and prints every count.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(crate) fn compare(&self, file: &Path) -> anyhow::Result<Outcome> {
        let record = read(file)?;
        let Some(recorded) = record.get(&self.setting) else {
            self.print(&Counts::new());
            let known = record.keys().map(String::as_str).collect::<Vec<_>>().join("; ");
            println!(
                "NOT COMPARED: nothing is recorded for {} (recorded: {known}); --record adds it",
                self.setting
            );
            return Ok(Outcome::Fine);
        };
        let verdicts = self.print(recorded);
        if verdicts.contains(&Verdict::Better) {
            println!("some counts are lower than recorded: bench/counts/run --record keeps them so");
        }
        for name in recorded.keys().filter(|name| !self.counts.contains_key(*name)) {
            println!("{name}: recorded, but not counted any more");
        }
        let worse = verdicts.iter().any(|it| matches!(it, Verdict::Worse | Verdict::Unrecorded));
        if worse {
            println!("if that is wanted: bench/counts/run --record, and say in the commit why");
        }
        Ok(if worse { Outcome::Worse } else { Outcome::Fine })
    }

    /// Writes the counts into the record, in place of those of the same setting.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(crate) fn record(&self, file: &Path) -> anyhow::Result<()> {
        let mut record = if file.exists() { read(file)? } else { Record::new() };
        self.print(record.get(&self.setting).unwrap_or(&Counts::new()));
        record.insert(self.setting.clone(), self.counts.clone());
        let text = serde_json::to_string_pretty(&record)? + "\n";
        fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
        println!("recorded in {}", file.display());
        Ok(())
    }

    fn print(&self, recorded: &Counts) -> Vec<Verdict> {
        println!("\n{}", self.setting);
        println!("{:<48} {:>12} {:>12} {:>8}", "", "recorded", "counted", "");
        let mut verdicts = Vec::new();
        for (name, count) in &self.counts {
            let before = recorded.get(name).copied();
            let verdict = judge(before, *count, (self.slack)(name));
            let was = before.map_or_else(|| "-".to_owned(), show);
            let by = before.map_or_else(String::new, |it| format!("{:+.2} %", (count / it - 1.0) * 100.0));
            let failed = if verdict == Verdict::Worse { "  WORSE" } else { "" };
            println!("{name:<48} {was:>12} {:>12} {by:>8}{failed}", show(*count));
            verdicts.push(verdict);
        }
        verdicts
    }
}

fn judge(before: Option<f64>, now: f64, slack: f64) -> Verdict {
    match before {
        None => Verdict::Unrecorded,
        Some(before) if now > before * (1.0 + GROWTH_MAX) + slack => Verdict::Worse,
        Some(before) if now < before * (1.0 - GROWTH_MAX) - slack => Verdict::Better,
        Some(_) => Verdict::Same,
    }
}

fn show(count: f64) -> String {
    if count < 1000.0 { format!("{count:.3}") } else { format!("{count:.0}") }
}

fn read(file: &Path) -> anyhow::Result<Record> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no record", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(setting: &str, count: f64) -> Counted {
        Counted { setting: setting.to_owned(), counts: [("echo".to_owned(), count)].into(), slack: |_| 0.0 }
    }

    #[test]
    fn more_than_three_percent_more_than_recorded_is_worse_and_less_is_better() {
        let cases =
            [(103.0, Verdict::Same), (103.1, Verdict::Worse), (97.0, Verdict::Same), (96.9, Verdict::Better)];
        for (now, verdict) in cases {
            assert_eq!(judge(Some(100.0), now, 0.0), verdict, "{now}");
        }
        assert_eq!(judge(None, 1.0, 0.0), Verdict::Unrecorded);
    }

    #[test]
    fn where_chance_plays_a_part_a_count_may_be_somewhat_more() {
        assert_eq!(judge(Some(0.1), 0.15, 0.05), Verdict::Same);
        assert_eq!(judge(Some(0.1), 0.16, 0.05), Verdict::Worse);
        assert_eq!(judge(Some(3.0), 4.0, 0.05), Verdict::Worse);
    }

    #[test]
    fn what_is_recorded_is_compared_within_its_setting_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("record.json");
        counted("rustc 1", 100.0).record(&file).unwrap();
        counted("rustc 2", 200.0).record(&file).unwrap();
        assert_eq!(counted("rustc 1", 102.0).compare(&file).unwrap(), Outcome::Fine);
        assert_eq!(counted("rustc 1", 199.0).compare(&file).unwrap(), Outcome::Worse);
        assert_eq!(counted("rustc 2", 199.0).compare(&file).unwrap(), Outcome::Fine);
        assert_eq!(counted("rustc 3", 999.0).compare(&file).unwrap(), Outcome::Fine);
        counted("rustc 1", 199.0).record(&file).unwrap();
        assert_eq!(counted("rustc 1", 199.0).compare(&file).unwrap(), Outcome::Fine);
    }

    #[test]
    fn a_count_that_is_not_recorded_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("record.json");
        counted("rustc 1", 100.0).record(&file).unwrap();
        let mut more = counted("rustc 1", 100.0);
        more.counts.insert("close".to_owned(), 1.0);
        assert_eq!(more.compare(&file).unwrap(), Outcome::Worse);
    }

    #[test]
    fn a_record_that_is_missing_or_no_record_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("record.json");
        assert!(counted("rustc 1", 1.0).compare(&file).is_err());
        fs::write(&file, "[]").unwrap();
        assert!(counted("rustc 1", 1.0).compare(&file).is_err());
        assert!(counted("rustc 1", 1.0).record(&file).is_err());
    }
}
