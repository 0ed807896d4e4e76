//! What is under way on the simulated bus.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use super::super::Incoming;

/// What goes from one end to another.
#[derive(Debug)]
pub(super) enum Item {
    /// The sender's subscriptions of a session, for the server of the receiver.
    Subscriptions(u64),
    /// A message for a subscription of the receiver's session.
    Message { session: u64, queue: usize, incoming: Incoming },
}

/// From one end to another: in order.
#[derive(Debug)]
pub(super) struct Link {
    last: Instant,
    items: VecDeque<(Instant, Item)>,
    /// So many more messages are lost.
    pub(super) losing: usize,
}

impl Link {
    /// Puts something at the end. It comes then, or with what is before it.
    fn put(&mut self, at: Instant, item: Item) {
        self.last = self.last.max(at);
        self.items.push_back((self.last, item));
    }

    /// The first, if it has come by now.
    pub(super) fn take(&mut self, now: Instant) -> Option<Item> {
        let is_there = self.items.front().is_some_and(|(at, _)| *at <= now);
        is_there.then(|| self.items.pop_front().map(|(_, item)| item))?
    }
}

/// All links, by sender and receiver.
#[derive(Debug, Default)]
pub(super) struct Links(BTreeMap<(usize, usize), Link>);

impl Links {
    pub(super) fn of(&mut self, from: usize, to: usize, now: Instant) -> &mut Link {
        let new = || Link { last: now, items: VecDeque::new(), losing: 0 };
        self.0.entry((from, to)).or_insert_with(new)
    }

    pub(super) fn put(&mut self, (from, to): (usize, usize), now: Instant, at: Instant, item: Item) {
        self.of(from, to, now).put(at, item);
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = ((usize, usize), &mut Link)> {
        self.0.iter_mut().map(|(pair, link)| (*pair, link))
    }
}

/// What is published later than its publisher believes, or once more.
#[derive(Debug)]
pub(super) struct Later {
    pub(super) at: Instant,
    pub(super) from: usize,
    /// The publisher's session: in that one it does not hear itself.
    pub(super) session: u64,
    /// The only receiver, where not all get it.
    pub(super) only: Option<usize>,
    pub(super) subject: String,
    pub(super) message: Bytes,
}
