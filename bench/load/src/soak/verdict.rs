//! Samples of the server, and what they and the counters say in the end.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use super::tally::Tally;
use crate::measure::process;
use crate::measure::slabs::Slabs;
use crate::statistics::median;

/// The server at one moment.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sample {
    seconds: f64,
    /// What must not grow, by name: bytes, descriptors, kernel objects.
    values: BTreeMap<String, f64>,
}

impl Sample {
    pub(super) fn now(pid: u32, at: Duration, held: f64) -> anyhow::Result<Self> {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).context("descriptors")?.count();
        let mut values = BTreeMap::from([
            ("resident bytes".to_owned(), process::rss_bytes(pid)? as f64),
            ("descriptors".to_owned(), descriptors as f64),
            ("connections".to_owned(), held),
        ]);
        // General caches (kmalloc) belong to the whole machine.
        let slabs = Slabs::read().unwrap_or_default().0.into_iter();
        let own = slabs.filter(|(name, _)| !name.starts_with("kmalloc"));
        values.extend(own.map(|(name, cache)| (format!("kernel objects {name}"), cache.objects as f64)));
        Ok(Self { seconds: at.as_secs_f64(), values })
    }
}

/// One thing that was checked.
#[derive(Clone, Debug, Serialize)]
struct Check {
    what: String,
    is: f64,
    should_be: f64,
    good: bool,
}

impl Check {
    fn equal(what: &str, is: f64, should_be: f64) -> Self {
        Self { what: what.to_owned(), is, should_be, good: (is - should_be).abs() < 0.5 }
    }

    /// `last` is no more than `middle` and what chance moves.
    fn no_growth(what: &str, middle: f64, last: f64) -> Self {
        // Kernel objects are those of the whole machine.
        let chance = match what {
            "resident bytes" => (middle * 0.02).max(512.0 * 1024.0),
            "descriptors" | "connections" => (middle * 0.02).max(50.0),
            _ => middle * 0.05 + 200.0,
        };
        let good = last <= middle + chance;
        Self { what: format!("{what}, last third after the middle one"), is: last, should_be: middle, good }
    }
}

/// All that was checked.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Verdict(Vec<Check>);

impl Verdict {
    /// `counters`: how much the server's grew.
    pub(super) fn new(tally: &Tally, counters: &BTreeMap<String, f64>, samples: &[Sample]) -> Self {
        let counter = |name: &str| counters.get(name).copied().unwrap_or(f64::NAN);
        let opened = tally.opened as f64;
        let messages = tally.messages as f64;
        let mut checks = vec![
            Check::equal("troubles", tally.troubles.values().sum::<u64>() as f64, 0.0),
            Check::equal("connections opened", counter("holdfast_connections_opened_total"), opened),
            Check::equal("connections closed", counter("holdfast_connections_closed_total"), opened),
            Check::equal("sockets accepted", counter("holdfast_accepted_total"), tally.connected as f64),
            Check::equal(
                "opening handshakes ended",
                counter("holdfast_handshakes_total"),
                tally.connected as f64,
            ),
            Check::equal("messages received", counter("holdfast_messages_received_total"), messages),
            Check::equal("messages sent", counter("holdfast_messages_sent_total"), messages),
            Check::equal("bytes received", counter("holdfast_received_bytes_total"), tally.sent_bytes as f64),
            Check::equal("bytes sent", counter("holdfast_sent_bytes_total"), tally.received_bytes as f64),
            Check::equal("lent buffers left", counter("holdfast_buffers_lent"), 0.0),
            Check::equal("opening handshakes left", counter("holdfast_handshakes_open"), 0.0),
        ];
        let third = samples.len() / 3;
        let (middle, last) = (&samples[third..samples.len() - third], &samples[samples.len() - third..]);
        for name in last.first().into_iter().flat_map(|sample| sample.values.keys()) {
            let of = |part: &[Sample]| {
                median(&part.iter().filter_map(|it| it.values.get(name)).copied().collect::<Vec<_>>())
            };
            checks.push(Check::no_growth(name, of(middle), of(last)));
        }
        Self(checks)
    }

    pub(super) fn is_good(&self) -> bool {
        self.0.iter().all(|check| check.good)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { what, is, should_be, good } in &self.0 {
            writeln!(f, "  {} {what}: {is:.0}, should be {should_be:.0}", if *good { "ok " } else { "BAD" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: impl Fn(u32) -> f64) -> Vec<Sample> {
        let sample = |at| Sample {
            seconds: f64::from(at),
            values: BTreeMap::from([("resident bytes".to_owned(), values(at))]),
        };
        (0..90).map(sample).collect()
    }

    fn growth_is_good(values: impl Fn(u32) -> f64) -> bool {
        Verdict::new(&Tally::default(), &BTreeMap::new(), &samples(values)).0.last().is_some_and(|it| it.good)
    }

    #[test]
    fn what_grows_to_a_level_is_good_and_what_goes_on_growing_is_not() {
        assert!(growth_is_good(|at| 20e6 + f64::from(at.min(30)) * 1e6));
        assert!(growth_is_good(|_| 5e6));
        assert!(!growth_is_good(|at| 20e6 + f64::from(at) * 100e3));
    }

    #[test]
    fn a_counter_that_is_not_there_or_off_by_one_is_bad() {
        let tally = Tally { opened: 3, ..Tally::default() };
        let closed = |count: f64| {
            let counters = BTreeMap::from([("holdfast_connections_closed_total".to_owned(), count)]);
            let verdict = Verdict::new(&tally, &counters, &samples(|_| 1.0));
            verdict.0.iter().find(|it| it.what == "connections closed").is_some_and(|it| it.good)
        };
        assert!(closed(3.0) && !closed(2.0) && !closed(f64::NAN));
    }
}
