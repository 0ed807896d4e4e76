//! Where servers are, and which is tried next.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::options::Plan;
use crate::server::ServerUrl;

/// Most servers that are known by what a server says.
const LEARNT_MAX: usize = 32;

/// So many of those are tried before the one that was lost.
const LEARNT_FIRST: usize = 2;

/// The servers that are known.
#[derive(Debug)]
pub(crate) struct Places {
    given: Vec<ServerUrl>,
    learnt: Vec<ServerUrl>,
    /// It was lost last.
    bad: Option<ServerUrl>,
}

impl Places {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { given: plan.servers.clone(), learnt: Vec::new(), bad: None }
    }

    /// All that are known, in the order in which they are tried: those of the settings first, each lot by chance. The
    /// one that was lost comes behind these and a few of which a server has told: those may be out of reach from here.
    pub(crate) fn order(&self) -> Vec<ServerUrl> {
        let is_bad = |place: &ServerUrl| Some(place) == self.bad.as_ref();
        let mut all = shuffled(&self.given);
        all.retain(|place| !is_bad(place));
        let mut learnt = shuffled(&self.learnt);
        learnt.retain(|place| !is_bad(place));
        let rest = learnt.split_off(learnt.len().min(LEARNT_FIRST));
        all.extend(learnt);
        all.extend(self.bad.clone().filter(|bad| self.given.contains(bad) || self.learnt.contains(bad)));
        all.extend(rest);
        all
    }

    pub(crate) fn lost(&mut self, place: &ServerUrl) {
        self.bad = Some(place.clone());
    }

    /// A server has said where others are. Where TLS was asked for, it is asked for there, too, and none is used
    /// without that would not be if it were in the settings.
    pub(crate) fn learn(&mut self, plan: &Plan, others: &[String]) {
        let is_tls = self.given.iter().any(|place| place.is_tls);
        let found = others.iter().filter_map(|text| ServerUrl::parse(text).ok());
        let found = found.map(|place| ServerUrl { is_tls, ..place });
        let is_new = |place: &ServerUrl| plan.options.may_use(place) && !self.given.contains(place);
        let learnt: Vec<_> = found.filter(is_new).take(LEARNT_MAX).collect();
        // One that is about to end, or alone, says nothing of others; they may be there nonetheless.
        if !learnt.is_empty() {
            self.learnt = learnt;
        }
    }
}

fn shuffled(places: &[ServerUrl]) -> Vec<ServerUrl> {
    let mut places = places.to_vec();
    places.sort_by_cached_key(|_| chance());
    places
}

/// By chance a fifth of `wait`, or more, up to all of it.
pub(crate) fn jittered(wait: Duration) -> Duration {
    let share = u32::from(chance().to_le_bytes()[0]);
    wait / 5 + wait / 5 * 4 * share / 255
}

/// The keys of each RandomState differ, which is chance enough.
pub(crate) fn chance() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn plan(urls: &[&str]) -> Plan {
        Options { urls: urls.iter().map(ToString::to_string).collect(), ..Options::of_tests() }
            .plan()
            .unwrap()
    }

    fn names(places: &[ServerUrl]) -> Vec<String> {
        let mut names: Vec<_> = places.iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn the_one_that_was_lost_is_tried_last_and_the_others_by_chance() {
        let mut places = Places::new(&plan(&["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"]));
        places.lost(&ServerUrl::parse("127.0.0.1:2").unwrap());
        let orders: Vec<_> = (0..100).map(|_| places.order()).collect();
        assert!(orders.iter().all(|order| order.len() == 4 && order[3].port == 2), "{orders:?}");
        assert!(orders.iter().any(|order| *order != orders[0]));
    }

    #[test]
    fn servers_that_were_told_of_keep_nobody_long_from_the_one_that_was_lost() {
        let plan = plan(&["127.0.0.1:1"]);
        let mut places = Places::new(&plan);
        places.learn(&plan, &(2..30).map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>());
        places.lost(&ServerUrl::parse("127.0.0.1:1").unwrap());
        let order = places.order();
        assert_eq!((order.len(), order[LEARNT_FIRST].port), (29, 1), "{order:?}");
    }

    #[test]
    fn what_a_server_says_of_others_is_bounded_and_never_less_safe() {
        let plain = plan(&["127.0.0.1:1"]);
        let mut places = Places::new(&plain);
        let others = ["127.0.0.1:2", "10.0.0.1:4222", "127.0.0.1:1", "a b", "nats://u:p@127.0.0.1:3"];
        places.learn(&plain, &others.map(str::to_owned));
        assert_eq!(names(&places.order()), ["nats://127.0.0.1:1", "nats://127.0.0.1:2"]);
        let tls = plan(&["tls://bus.example"]);
        let mut places = Places::new(&tls);
        places.learn(&tls, &others.map(str::to_owned));
        assert!(places.order().iter().all(|place| place.is_tls), "{places:?}");
        places.learn(&tls, &(1..100).map(|port| format!("10.0.0.1:{port}")).collect::<Vec<_>>());
        assert_eq!(places.order().len(), 1 + LEARNT_MAX);
    }

    #[test]
    fn waits_differ_and_are_between_a_fifth_and_all() {
        let second = Duration::from_secs(1);
        let waits: Vec<_> = (0..200).map(|_| jittered(second)).collect();
        assert!(waits.iter().all(|wait| (second / 5..=second).contains(wait)), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
