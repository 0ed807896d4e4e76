//! Every metric, as it is declared with what shards count: for registration, HELP and the table of docs/metrics.md.

use std::sync::LazyLock;

pub use crate::counters::{Family, Kind};

use crate::counters::{ClusterCounters, Counters, HubCounters};

/// Every metric, in the order of docs/metrics.md: those of hubs and of a cluster, which are there where these are, at
/// the end.
pub static TABLE: LazyLock<Vec<Family>> =
    LazyLock::new(|| [Counters::families(), HubCounters::families(), ClusterCounters::families()].concat());

/// The family of this name. Names are those of [`TABLE`]; a test walks them all.
pub(super) fn named(name: &str) -> Option<&'static Family> {
    TABLE.iter().find(|family| family.name == name)
}

/// The table of docs/metrics.md, in Markdown.
pub fn markdown_table() -> String {
    let mut table = String::from("| metric | type | labels | what |\n|---|---|---|---|\n");
    for Family { name, kind, labels, help } in TABLE.iter() {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        table.push_str(&format!("| `{name}` | {} | {labels} | {help} |\n", kind.word()));
    }
    table
}
