//! All pieces of work.

use anyhow::Context;

use super::{proto, shard};

/// A piece of work, under the name by which it is recorded.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    /// Does it some number of times, and says how many.
    does: fn() -> u32,
}

impl Work {
    pub(crate) fn run(&self) -> u32 {
        (self.does)()
    }
}

/// All there is, in the order in which it is counted.
pub(crate) fn all() -> Vec<Work> {
    [proto::WORK, shard::WORK].concat().into_iter().map(|(name, does)| Work { name, does }).collect()
}

/// The one with this name.
///
/// # Errors
/// When there is none.
pub(crate) fn find(name: &str) -> anyhow::Result<Work> {
    all().into_iter().find(|work| work.name == name).with_context(|| format!("there is no work named {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_of_work_can_be_done_and_has_a_name_of_its_own() {
        let mut names: Vec<_> = all().iter().map(|work| work.name).collect();
        all().iter().for_each(|work| assert!(work.run() > 0, "{}", work.name));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().len());
        assert!(find("no such work").is_err());
    }
}
