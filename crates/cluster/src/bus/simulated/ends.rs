//! Ends of the simulated bus.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use super::super::Incoming;

/// What has become of an end's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// It works.
    Up,
    /// It stands still until then, or until the node has noticed.
    Stands { until: Instant, noticed: Instant },
    /// The node connects again then.
    Away { until: Instant },
    /// The node has ended.
    Gone,
}

/// An end.
#[derive(Debug)]
pub(super) struct End {
    pub(super) subscriptions: Vec<String>,
    /// What has come for each subscription. A client reads them in any order.
    pub(super) queues: Vec<VecDeque<Incoming>>,
    pub(super) session: u64,
    pub(super) server: Server,
    /// When the node has heard of its server last.
    pub(super) heard: Instant,
    /// Whose subscriptions, of which session, its server knows.
    pub(super) known: BTreeMap<usize, u64>,
    /// What a server that stands still has taken.
    pub(super) held: Vec<(String, Bytes)>,
}

impl End {
    pub(super) fn new(subscriptions: Vec<String>, now: Instant) -> Self {
        Self {
            queues: subscriptions.iter().map(|_| VecDeque::new()).collect(),
            subscriptions,
            session: 0,
            server: Server::Away { until: now },
            heard: now,
            known: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    /// The subscription that a subject fits.
    pub(super) fn listens(&self, subject: &str) -> Option<usize> {
        self.subscriptions.iter().position(|pattern| fits(pattern, subject))
    }
}

/// Whether a subject fits: a `*` stands for one token.
fn fits(pattern: &str, subject: &str) -> bool {
    let (mut own, mut tokens) = (pattern.split('.'), subject.split('.'));
    loop {
        match (own.next(), tokens.next()) {
            (None, None) => return true,
            (Some(own), Some(token)) if own == "*" || own == token => {}
            _ => return false,
        }
    }
}
