//! The same hold against bare sockets, to subtract: what is left is the price of waiting on a connection.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;

use super::summary::{OBJECTS_MIN, Round};
use crate::measure::slabs::Slabs;
use crate::report::per;
use crate::statistics::median;

/// Objects per connection of one cache, and bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Share {
    objects: f64,
    object_bytes: f64,
}

/// Objects per connection by cache: medians over the rounds of a run.
#[derive(Debug)]
pub(super) struct Baseline(BTreeMap<String, Share>);

impl Baseline {
    /// Reads the JSON report of a `hold --raw` run against `holdfast-floor hold`.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {name}"))?;
        Self::parse(&text).with_context(|| format!("{name} is no baseline"))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let report: serde_json::Value = serde_json::from_str(text)?;
        let count = report["count"].as_u64().context("it has no count")?;
        let mut growths = Vec::new();
        for round in report["rounds"].as_array().context("it has no rounds")? {
            let growth: Option<Slabs> = serde_json::from_value(round["kernel_growth"].clone())?;
            growths.push(growth.context("it was not measured by root")?);
        }
        Ok(Self::from_growths(&growths, count))
    }

    fn from_growths(growths: &[Slabs], count: u64) -> Self {
        let mut objects: BTreeMap<&String, (Vec<f64>, i64)> = BTreeMap::new();
        for growth in growths {
            for (name, cache) in &growth.0 {
                let (objects, object_bytes) = objects.entry(name).or_default();
                objects.push(per(cache.objects, count));
                *object_bytes = cache.object_bytes;
            }
        }
        let share = |(name, (objects, object_bytes)): (&String, (Vec<f64>, i64))| {
            (name.clone(), Share { objects: median(&objects), object_bytes: object_bytes as f64 })
        };
        Self(objects.into_iter().map(share).collect())
    }

    /// Lines that say what the connections of `rounds` cost the kernel beyond the bare sockets, and the sum in bytes.
    pub(super) fn beyond(&self, rounds: &[Round]) -> Option<(String, f64)> {
        let growths: Vec<Slabs> = rounds.iter().filter_map(|round| round.kernel_growth.clone()).collect();
        let count = rounds.first()?.opened.count.into();
        let Self(ours) = Self::from_growths(&growths, count);
        let mut text = "beyond the bare socket     objects/connection  bytes/connection\n".to_owned();
        let mut sum = 0.0;
        for (name, share) in &ours {
            let objects = share.objects - self.0.get(name).map_or(0.0, |share| share.objects);
            let bytes = objects * share.object_bytes;
            sum += bytes;
            if objects.abs() >= OBJECTS_MIN {
                let _ = writeln!(text, "  {name:<24} {objects:>18.2} {bytes:>18.1}");
            }
        }
        let _ = writeln!(text, "  {:<24} {:>18} {sum:>18.1}", "all", "");
        (!growths.is_empty()).then_some((text, sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_is_the_median_growth_per_connection() {
        let round = |objects: u32| {
            format!(r#"{{"kernel_growth": {{"TCP": {{"objects": {objects}, "object_bytes": 2368}}}}}}"#)
        };
        let rounds = [round(200), round(250), round(190)].join(",");
        let baseline = Baseline::parse(&format!(r#"{{"count": 100, "rounds": [{rounds}]}}"#)).unwrap();
        assert_eq!(baseline.0["TCP"], Share { objects: 2.0, object_bytes: 2368.0 });
    }

    #[test]
    fn a_run_by_an_ordinary_user_is_no_baseline() {
        let text = r#"{"count": 1, "rounds": [{"kernel_growth": null}]}"#;
        assert!(Baseline::parse(text).is_err());
    }
}
