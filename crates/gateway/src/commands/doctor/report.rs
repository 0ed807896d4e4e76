//! All that was found, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::finding::{Finding, State};
use super::outlook::{Bound, Outlook};

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    version: &'static str,
    /// The worst of all findings.
    state: State,
    driver: Driver,
    shards: u16,
    /// What the gateway's start line says: `null` where it would not start.
    room: Option<Promise>,
    /// What bounds the number of connections, the lowest first.
    bounds: Vec<Bound>,
    findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Driver {
    /// As `--driver` takes it.
    name: &'static str,
    /// As the start line has it.
    description: String,
}

#[derive(Debug, Serialize)]
struct Promise {
    connections: u64,
    binding: String,
}

impl Report {
    pub(super) fn new(outlook: &Outlook, shards: u16, findings: Vec<Finding>) -> Self {
        let room = outlook.room.ok();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            state: findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok),
            driver: Driver { name: outlook.rung.name(), description: outlook.rung.to_string() },
            shards,
            room: room
                .map(|room| Promise { connections: room.connections, binding: room.binding.to_string() }),
            bounds: outlook.bounds(),
            findings,
        }
    }

    /// The findings that are so.
    pub(super) fn with(&self, state: State) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.state == state)
    }

    pub(super) fn json(&self) -> String {
        // Texts and numbers can always be written.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    #[cfg(test)]
    pub(super) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    #[cfg(test)]
    pub(super) fn bounds(&self) -> Vec<(&str, u64)> {
        self.bounds.iter().map(|bound| (bound.name.as_str(), bound.connections)).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, driver, shards, .. } = self;
        let word = if *shards == 1 { "shard" } else { "shards" };
        write!(f, "holdfast {version} · driver {} · {shards} {word} · ", driver.description)?;
        match &self.room {
            Some(Promise { connections, binding }) => {
                writeln!(f, "room for {connections} connections ({binding})")?;
            }
            None => writeln!(f, "no room for connections")?,
        }
        let bounds: Vec<_> =
            self.bounds.iter().map(|bound| format!("{} {}", bound.name, bound.connections)).collect();
        writeln!(f, "what binds, the lowest first: {}\n", bounds.join(", "))?;
        for state in [State::Problem, State::Warning, State::Note, State::Ok] {
            for finding in self.with(state) {
                show(f, finding)?;
            }
        }
        Ok(())
    }
}

/// What is fine takes one line.
fn show(f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
    writeln!(f, "{:8} {}: {}", finding.state.word(), finding.name, finding.found)?;
    if finding.state == State::Ok {
        return Ok(());
    }
    writeln!(f, "         {}", finding.why)?;
    for change in &finding.change {
        write!(f, "           {:11}{}", change.place.word(), change.line)?;
        match change.note {
            Some(note) => writeln!(f, "   ({note})")?,
            None => writeln!(f)?,
        }
    }
    Ok(())
}
