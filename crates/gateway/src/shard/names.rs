//! Which names have members in a shard, said to the filter of the node: what other nodes publish wakes only those
//! shards that have somebody for it.

use std::sync::Arc;

use holdfast_cluster::names::Names;
use holdfast_cluster::subject::Named;
use holdfast_hub::{Hub, Kind, Watched, Watcher};

use super::planted::{Planted, is_planted};

/// Says it, for one shard. Dropped with the shard's members, it takes back all that it has said.
#[derive(Debug)]
pub(super) struct Teller {
    names: Arc<Names>,
    shard: u16,
}

impl Teller {
    pub(super) fn new(names: Arc<Names>, shard: u16) -> Self {
        Self { names, shard }
    }
}

impl Watcher for Teller {
    fn begins(&mut self, Hub(hub): Hub, what: Watched<'_>) {
        let (named, name) = of_a_node(what);
        self.names.enter(hub.into(), named, name, self.shard);
    }

    fn ends(&mut self, Hub(hub): Hub, what: Watched<'_>) {
        let (named, name) = of_a_node(what);
        if !is_planted(Planted::NeverTakesBack) {
            self.names.leave(hub.into(), named, name, self.shard);
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.names.end(self.shard);
    }
}

fn of_a_node(what: Watched<'_>) -> (Named, &str) {
    match what {
        Watched::Hub => (Named::Hub, ""),
        Watched::Named(Kind::User, name) => (Named::User, name),
        Watched::Named(Kind::Group, name) => (Named::Group, name),
    }
}

/// Asserts that these shards, which are all there are, have said what has members in each, and nothing else.
#[cfg(test)]
pub(super) fn check<'s>(names: &Names, shards: impl Iterator<Item = &'s super::Core>) {
    const ALL: holdfast_hub::Most =
        holdfast_hub::Most { places: u32::MAX, names: u32::MAX, bytes: usize::MAX };
    let mut count = 0;
    let mut expect = |hub: Hub, named: Named, name: &str, shard: u16| {
        let found = names.shards(hub.0.into(), named, name);
        assert!(
            found.contains(&shard),
            "{named:?} {name} of {hub:?} has members in {shard}, not in {found:?}"
        );
        count += 1;
    };
    for core in shards {
        let members = core.members.as_ref().expect("nobody works on it between turns");
        for hub in (0..=u8::MAX).map(Hub).filter(|hub| members.counts(*hub).connections > 0) {
            expect(hub, Named::Hub, "", core.shard);
            for (kind, named) in [(Kind::User, Named::User), (Kind::Group, Named::Group)] {
                let there = members.names(hub, kind, 0, ALL).names;
                there.into_iter().for_each(|(name, _)| expect(hub, named, name, core.shard));
            }
        }
    }
    assert_eq!(names.len(), count, "what is said to have members and has none");
}

#[cfg(test)]
mod tests {
    use holdfast_hub::{Bounds, Members, Newcomer};

    use super::*;
    use crate::shard::publication::Publication;

    fn members(names: &Arc<Names>, shard: u16, connections: u32) -> Members<Publication> {
        let bounds = Bounds { connections, groups_per_connection: 10, groups: u32::MAX };
        Members::new(bounds).watched_by(Box::new(Teller::new(Arc::clone(names), shard)))
    }

    #[test]
    fn each_shard_says_its_own_and_takes_it_back_at_its_end() {
        let names = Arc::new(Names::new());
        let mut shards = [0, 1].map(|shard| members(&names, shard, 10));
        for (user, members) in ["ann", "bob"].into_iter().zip(&mut shards) {
            let newcomer = Newcomer { hub: Hub(3), user: Some(user), groups: &["a"], ..Newcomer::default() };
            members.enter(0, newcomer).expect("room");
        }
        let shards_of = |named, name| {
            let mut found = names.shards(3, named, name);
            found.sort_unstable();
            found
        };
        assert_eq!((shards_of(Named::Hub, ""), shards_of(Named::Group, "a")), (vec![0, 1], vec![0, 1]));
        assert_eq!((shards_of(Named::User, "ann"), shards_of(Named::User, "bob")), (vec![0], vec![1]));
        let [first, mut second] = shards;
        drop(first);
        assert_eq!((shards_of(Named::Hub, ""), shards_of(Named::User, "ann")), (vec![1], vec![]));
        second.leave(0);
        assert!(names.is_empty());
    }

    /// Says what a name costs: a user of its own for each connection, and groups that are in one shard or in all.
    /// `cargo test -p holdfast --lib shard::names -- --nocapture` shows it.
    #[test]
    #[expect(clippy::print_stdout, reason = "the figures of docs/memory.md")]
    fn a_name_costs_at_most_21_bytes_in_each_shard_that_has_it() {
        const SHARDS: u16 = 4;
        const CONNECTIONS: u32 = 50_000;
        let cost = |what: &str,
                    user: &dyn Fn(u32) -> Option<String>,
                    group: &dyn Fn(u32) -> Option<String>| {
            let names = Arc::new(Names::new());
            let before = names.bytes();
            let mut shards: Vec<_> = (0..SHARDS).map(|shard| members(&names, shard, CONNECTIONS)).collect();
            for at in 0..CONNECTIONS * u32::from(SHARDS) {
                let (user, group) = (user(at), group(at));
                let groups: Vec<&str> = group.iter().map(String::as_str).collect();
                let newcomer = Newcomer { user: user.as_deref(), groups: &groups, ..Newcomer::default() };
                let shard = &mut shards[(at % u32::from(SHARDS)) as usize];
                shard.enter(at / u32::from(SHARDS), newcomer).expect("room");
            }
            let (count, bytes) = (names.len(), names.bytes() - before);
            let each = bytes as f64 / count as f64;
            println!("{what}: {count} names in {SHARDS} shards, {bytes} bytes, {each:.1} each");
            assert!((9.0..21.5).contains(&each), "{each}");
            drop(shards);
            assert!(names.is_empty() && names.bytes() <= bytes / 5, "{} stay", names.bytes());
        };
        cost("a user each", &|at| Some(format!("user-{at:08}")), &|_| None);
        cost("a group each", &|_| None, &|at| Some(format!("group-{at:08}")));
        cost("groups of ten in all shards", &|_| None, &|at| Some(format!("room-{:08}", at / 40)));
    }
}
