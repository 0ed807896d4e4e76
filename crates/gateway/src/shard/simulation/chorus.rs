//! What a peer hears, in the order of its shard: messages to many that it belongs to, messages to it alone, and the
//! answers to its own. Each once, none before what the same source sent earlier, and to many only what was published
//! while it belonged to the audience.

use std::collections::BTreeMap;

use super::book::{Book, Published, Source};
use super::stay::{Moment, Stay};

/// What a peer has heard, in order.
#[derive(Debug, Default)]
pub(super) struct Chorus(Vec<Heard>);

#[derive(Clone, Copy, Debug)]
enum Heard {
    /// What was published at this moment.
    Published(Moment),
    /// What was pushed to it at this moment.
    Pushed(Moment),
    /// The answer to the message with this number.
    Answer(usize),
}

/// The same, with what the book says of it.
struct Known<'a> {
    at: Moment,
    source: Source,
    published: Option<&'a Published>,
}

impl Chorus {
    /// A message to many.
    pub(super) fn hear(&mut self, text: &str) {
        self.0.push(Heard::Published(
            text.split_whitespace().nth(1).and_then(|at| at.parse().ok()).expect("a moment"),
        ));
    }

    /// A message to the peer alone.
    pub(super) fn hear_push(&mut self, at: &str) {
        self.0.push(Heard::Pushed(at.parse().expect("a moment")));
    }

    /// The answer to one of its messages.
    pub(super) fn hear_answer(&mut self, number: usize) {
        self.0.push(Heard::Answer(number));
    }

    /// # Panics
    /// When something is missing, came twice, too early, out of order, or to the wrong one.
    pub(super) fn judge(&self, who: &str, peer: usize, book: &Book, may_miss: bool) {
        let stay = &book.stays[&peer];
        let own = Source::Shard(stay.shard);
        let heard: Vec<Known<'_>> = self.0.iter().map(|it| it.know(book, stay, own)).collect();
        let mut next_own = Moment::MAX;
        let mut ends = vec![Moment::MAX; heard.len()];
        for (end, it) in ends.iter_mut().zip(&heard).rev() {
            *end = next_own;
            next_own = if it.source == own { it.at } else { next_own };
        }
        let (mut last, mut last_own) = (BTreeMap::new(), 0);
        for (it, end) in heard.iter().zip(ends) {
            let before = last.insert(it.source, it.at).unwrap_or(0);
            assert!(before < it.at, "{who}: {} of {:?} comes after {before}", it.at, it.source);
            let mut between =
                book.published.range(before + 1..it.at).filter(|(_, it2)| it2.source == it.source);
            let missed = between.find(|(at, published)| published.is_owed_to(peer, stay, **at));
            assert!(may_miss || missed.is_none(), "{who}: {} comes instead of {missed:?}", it.at);
            if let Some(published) = it.published {
                let bounds = if it.source == own {
                    (it.at, it.at)
                } else {
                    (it.at.max(last_own), published.taken.min(end))
                };
                let is_right = published.is_for(peer, stay, bounds);
                assert!(is_right, "{who}: {} is not for it, {published:?} {bounds:?} {stay:?}", it.at);
            }
            last_own = if it.source == own { it.at } else { last_own };
        }
    }

    /// # Panics
    /// When something is missing that must come before the goodbye, for one whose goodbye was ordered at this moment.
    pub(super) fn judge_end(&self, who: &str, peer: usize, book: &Book, (end, by): (Moment, Source)) {
        let stay = &book.stays[&peer];
        let heard = |moment: Moment| self.has_heard(moment);
        // What comes from elsewhere is in order with what another thread asks for, and otherwise when it is taken.
        let is_before = |source, at, taken| match by {
            Source::Outside => at < end,
            Source::Shard(_) => (if source == by { at } else { taken }) < end,
        };
        for (at, it) in &book.published {
            if is_before(it.source, *at, it.taken) && it.is_owed_to(peer, stay, *at) {
                assert!(heard(*at), "{who} has not heard {at} before its goodbye: {it:?}");
            }
        }
        for (at, it) in &book.pushed {
            if it.peer == peer && is_before(it.source, *at, Moment::MAX) {
                assert!(heard(*at), "{who} has not heard push {at} before its goodbye");
            }
        }
        self.judge_last_word(who, stay);
    }

    /// # Panics
    /// When one whose closing handshake the gateway has begun did not hear first what was sent at that moment.
    pub(super) fn judge_last_word(&self, who: &str, stay: &Stay) {
        let closing = stay.closing.unwrap_or_else(|| panic!("{who}: nobody was told that it is closing"));
        let last_word = closing.is_none_or(|moment| self.has_heard(moment));
        assert!(last_word, "{who} has not heard the last word {closing:?}");
    }

    fn has_heard(&self, moment: Moment) -> bool {
        self.0.iter().any(|it| matches!(it, Heard::Published(at) | Heard::Pushed(at) if *at == moment))
    }

    /// The messages to many that it has heard.
    fn published(&self) -> impl Iterator<Item = Moment> {
        self.0.iter().filter_map(|it| if let Heard::Published(at) = it { Some(*at) } else { None })
    }

    /// # Panics
    /// When two peers of one shard have heard the same messages in another order.
    pub(super) fn compare(&self, other: &Self, who: &str) {
        let places: BTreeMap<Moment, usize> = other.published().zip(0..).collect();
        let both: Vec<usize> = self.published().filter_map(|at| places.get(&at).copied()).collect();
        assert!(both.is_sorted(), "{who} hears messages to many in another order than a neighbour");
    }
}

impl Heard {
    fn know<'a>(&self, book: &'a Book, stay: &Stay, own: Source) -> Known<'a> {
        match *self {
            Self::Published(at) => {
                let published = &book.published[&at];
                Known { at, source: published.source, published: Some(published) }
            }
            Self::Pushed(at) => Known { at, source: book.pushed[&at].source, published: None },
            Self::Answer(number) => Known { at: stay.answered[number], source: own, published: None },
        }
    }
}
