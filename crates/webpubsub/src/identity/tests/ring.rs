//! When keys are fetched: by hand, and against a provider whose keys change, in simulated time.

use std::time::Duration;

use proptest::prelude::*;

use super::signer::{PROVIDER, set, signed};
use super::*;

const PACE: Pace = Pace {
    gap: Duration::from_secs(60),
    age_max: Duration::from_secs(600),
    retry: Duration::from_secs(10),
    waiting_max: 3,
};

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A set with one key of this name.
fn keys(kid: u64) -> KeySet {
    set(&[&PROVIDER.p256(&format!(r#","kid":"{kid}""#))])
}

/// Of one that names this key. Nobody looks at its signature.
fn token(kid: u64) -> ProviderToken {
    let header = format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#);
    ProviderToken::read(&signed(&header, "{}", |_| vec![0; 64])).unwrap()
}

fn ask(ring: &mut KeyRing<u64>, kid: u64, now: u64) -> Asked<()> {
    match ring.ask(Waiting { token: token(kid), whose: kid }, at(now)) {
        Asked::Known(waiting) => Asked::Known(Waiting { token: waiting.token, whose: () }),
        Asked::Waits { begins } => Asked::Waits { begins },
        Asked::Refused(waiting, why) => Asked::Refused(Waiting { token: waiting.token, whose: () }, why),
    }
}

fn refused(kid: u64, why: Refused) -> Asked<()> {
    Asked::Refused(Waiting { token: token(kid), whose: () }, why)
}

/// With the key 1, fetched at 0.
fn ring() -> KeyRing<u64> {
    let mut ring = KeyRing::new(PACE);
    assert!(ring.begin(at(0)));
    assert!(ring.end(Some(keys(1)), at(1)).is_empty());
    ring
}

#[test]
fn keys_are_due_at_once_and_then_when_they_are_old() {
    let mut ring = KeyRing::<u64>::new(PACE);
    assert_eq!((ring.due(), ring.keys().is_none()), (Some(at(0)), true));
    assert!(ring.begin(at(5)));
    assert_eq!((ring.due(), ring.begin(at(5))), (None, false));
    ring.end(Some(keys(1)), at(7));
    assert_eq!(ring.due(), Some(at(605)));
    assert!(!ring.begin(at(604)) && ring.begin(at(605)));
}

#[test]
fn a_fetch_that_fails_takes_no_key_away_and_is_repeated() {
    let mut ring = ring();
    assert!(ring.begin(at(600)));
    ring.end(None, at(610));
    assert!(ring.keys().unwrap().has(&token(1)));
    assert_eq!(ring.due(), Some(at(670)));
    // Without any keys it is sooner.
    let mut ring = KeyRing::<u64>::new(PACE);
    assert!(ring.begin(at(0)));
    ring.end(None, at(3));
    assert_eq!((ring.due(), ring.keys().is_none()), (Some(at(13)), true));
    assert_eq!(ask(&mut ring, 1, 20), refused(1, Refused::Unavailable));
}

#[test]
fn new_keys_take_the_place_of_all_that_were() {
    let mut ring = ring();
    assert!(ring.begin(at(600)));
    ring.end(Some(keys(2)), at(601));
    let keys = ring.keys().unwrap();
    assert!(keys.has(&token(2)) && !keys.has(&token(1)));
}

#[test]
fn a_key_that_is_not_known_has_keys_fetched_once_a_minute() {
    let mut ring = ring();
    assert_eq!(ask(&mut ring, 2, 59), refused(2, Refused::Unknown));
    assert_eq!(ask(&mut ring, 2, 60), Asked::Waits { begins: true });
    assert_eq!(ask(&mut ring, 3, 61), Asked::Waits { begins: false });
    assert!(!ring.begin(at(1000)));
    let given: Vec<_> = ring.end(Some(keys(2)), at(62)).into_iter().map(|one| one.whose).collect();
    assert_eq!((given, ring.waiting_count()), (vec![2, 3], 0));
    assert_eq!(ring.refusal(), Refused::Unknown);
    // Whoever was verified by the keys before the last.
    assert!(matches!(ask(&mut ring, 2, 62), Asked::Known(_)));
    assert_eq!(ask(&mut ring, 3, 119), refused(3, Refused::Unknown));
    assert_eq!(ask(&mut ring, 3, 120), Asked::Waits { begins: true });
    ring.end(None, at(121));
    assert_eq!(ring.refusal(), Refused::Unavailable);
}

#[test]
fn how_many_wait_has_a_bound_and_who_leaves_makes_room() {
    let mut ring = ring();
    for kid in 2..5 {
        assert_eq!(ask(&mut ring, kid, 100), Asked::Waits { begins: kid == 2 });
    }
    assert_eq!(ask(&mut ring, 5, 100), refused(5, Refused::Full));
    ring.leave(|whose| *whose == 3);
    assert_eq!(ask(&mut ring, 6, 100), Asked::Waits { begins: false });
    let given: Vec<_> = ring.end(None, at(101)).into_iter().map(|one| one.whose).collect();
    assert_eq!(given, [2, 4, 6]);
}

/// What happens next in a simulated life.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    /// A token with this key, counted back from the provider's own; past all of them it is made up.
    Token(u64),
    Rotate,
    /// The fetch under way ends: with what the provider has, or not.
    End(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..40_u64).prop_map(Step::Pass),
        (600..1300_u64).prop_map(Step::Pass),
        (0..4_u64).prop_map(Step::Token),
        (0..4_u64).prop_map(Step::Token),
        Just(Step::Rotate),
        any::<bool>().prop_map(Step::End),
        any::<bool>().prop_map(Step::End),
    ];
    prop::collection::vec(step, 1..200)
}

/// A provider, its ring, and what has been seen of them.
struct Life {
    ring: KeyRing<u64>,
    now: u64,
    /// The name of the provider's key.
    newest: u64,
    /// The name of the key that the ring must have.
    known: Option<u64>,
    /// When fetches began, and whether a token asked for it.
    begun: Vec<(u64, bool)>,
    is_fetching: bool,
    waiting: Vec<u64>,
    asked: u64,
}

impl Life {
    fn new() -> Self {
        let ring = KeyRing::new(PACE);
        let (begun, waiting) = (vec![], vec![]);
        Self { ring, now: 0, newest: 100, known: None, begun, is_fetching: false, waiting, asked: 0 }
    }

    /// Time passes in seconds; the gateway looks at what is due in each.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            if self.ring.begin(at(self.now)) {
                self.began(false);
            }
            self.now += 1;
        }
    }

    fn began(&mut self, is_asked_for: bool) {
        assert!(!std::mem::replace(&mut self.is_fetching, true), "two fetches at once");
        let before = self.begun.last().map(|(at, _)| *at);
        let least = match (is_asked_for, self.known) {
            (true, _) => PACE.gap,
            (false, None) => PACE.retry,
            (false, Some(_)) => PACE.gap,
        };
        assert!(before.is_none_or(|before| self.now >= before + least.as_secs()), "{:?}", self.begun);
        self.begun.push((self.now, is_asked_for));
    }

    fn token(&mut self, back: u64) {
        let kid = if back < 3 { self.newest - back } else { 0 };
        if self.known == Some(kid) {
            return assert!(self.ring.keys().unwrap().has(&token(kid)));
        }
        self.asked += 1;
        match self.ring.ask(Waiting { token: token(kid), whose: self.asked }, at(self.now)) {
            Asked::Known(_) => panic!("{kid} is not known"),
            Asked::Waits { begins } => {
                assert_eq!(begins, !self.is_fetching);
                if begins {
                    self.began(true);
                }
                self.waiting.push(self.asked);
                assert!(self.waiting.len() <= PACE.waiting_max);
            }
            Asked::Refused(_, Refused::Full) => assert_eq!(self.waiting.len(), PACE.waiting_max),
            Asked::Refused(..) => {
                let last = self.begun.last().expect("the first is let through").0;
                assert!(!self.is_fetching && self.now < last + PACE.gap.as_secs());
            }
        }
    }

    fn end(&mut self, is_well: bool) {
        if !std::mem::take(&mut self.is_fetching) {
            return;
        }
        if is_well {
            self.known = Some(self.newest);
        }
        let given = self.ring.end(is_well.then(|| keys(self.newest)), at(self.now));
        let given: Vec<_> = given.into_iter().map(|one| one.whose).collect();
        assert_eq!(given, std::mem::take(&mut self.waiting), "each that waited is answered once");
    }

    fn check(&self) {
        assert_eq!(self.ring.waiting_count(), self.waiting.len());
        assert_eq!(self.ring.keys().is_some(), self.known.is_some());
        assert!(self.known.is_none_or(|kid| self.ring.keys().unwrap().has(&token(kid))));
        assert_eq!(self.ring.due().is_none(), self.is_fetching);
    }

    /// Whatever has happened, a provider that is well again is heard of: by itself, and after a minute by a token.
    fn recovers(mut self) {
        self.end(false);
        self.pass(PACE.gap.as_secs());
        self.newest += 1;
        if !self.is_fetching {
            self.token(0);
        }
        assert!(self.is_fetching);
        self.end(true);
        assert_eq!(self.known, Some(self.newest));
        self.newest += 1;
        self.pass(PACE.age_max.as_secs() + 1);
        self.end(true);
        assert_eq!(self.known, Some(self.newest));
        self.check();
    }
}

proptest! {
    #[test]
    fn whatever_happens_fetches_are_rare_nobody_is_forgotten_and_no_good_key_is_lost(steps in steps()) {
        let mut life = Life::new();
        for step in steps {
            match step {
                Step::Pass(seconds) => life.pass(seconds),
                Step::Token(back) => life.token(back),
                Step::Rotate => life.newest += 1,
                Step::End(is_well) => life.end(is_well),
            }
            life.check();
        }
        life.recovers();
    }
}
