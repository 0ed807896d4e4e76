//! What the simulation knows of what its applications and other threads have done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_cluster::names::Names;

use super::stay::{Moment, Stay};
use crate::{Audience, Broadcast, ConnectionId, Forms, HandshakeId, LineFull, MessageKind, Prepared};

/// Who sends messages: each keeps its own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// Another thread.
    Outside,
    /// The application of this shard.
    Shard(usize),
}

/// A message to many.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) source: Source,
    pub(super) to: Audience,
    /// Peers that are left out.
    pub(super) excluded: Vec<usize>,
    pub(super) broadcast: Broadcast,
    /// When it was known that every shard had taken it.
    pub(super) taken: Moment,
}

impl Published {
    /// Whether a peer must hear it, unless it ends before: it belongs to the audience whenever its shard takes it.
    pub(super) fn is_owed_to(&self, peer: usize, stay: &Stay, at: Moment) -> bool {
        let taken = if self.source == Source::Shard(stay.shard) { at } else { self.taken };
        !self.excluded.contains(&peer) && stay.is_in(&self.to, |span| span.from < at && taken < span.to)
    }

    /// Whether a peer may hear it where its shard has taken it between these moments.
    pub(super) fn is_for(&self, peer: usize, stay: &Stay, between: (Moment, Moment)) -> bool {
        let overlaps = |from: Moment, to: Moment| from < between.1 && between.0 < to;
        !self.excluded.contains(&peer) && stay.is_in(&self.to, |span| overlaps(span.from, span.to))
    }
}

/// A message to one peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pushed {
    pub(super) peer: usize,
    pub(super) source: Source,
    bytes: usize,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Book {
    now: Moment,
    /// Messages to one, by when they were sent, and how many that were.
    pub(super) pushed: BTreeMap<Moment, Pushed>,
    counts: BTreeMap<(usize, Source), usize>,
    /// Messages to many, by when they were sent.
    pub(super) published: BTreeMap<Moment, Published>,
    published_bytes: usize,
    /// Those that not every shard has taken.
    under_way: Vec<Moment>,
    /// How many found no room.
    pub(super) refused: u64,
    /// A defect: it is not waited for that they are taken.
    pub(super) believes_all: bool,
    /// When the first drain began.
    pub(super) drained_at: Option<Moment>,
    /// When another thread, or the application, closed a peer's connection.
    pub(super) closed_at: BTreeMap<usize, (Moment, Source)>,
    /// Which peer's an opening handshake is that was admitted or put off.
    pub(super) asking: BTreeMap<HandshakeId, usize>,
    /// Those that were put off, and the ids that their connections will have.
    pub(super) deferred: Vec<HandshakeId>,
    pub(super) reserved: BTreeMap<HandshakeId, ConnectionId>,
    /// Which peer's a connection is.
    pub(super) open: BTreeMap<ConnectionId, usize>,
    /// The connection of each peer that has had one.
    pub(super) stays: BTreeMap<usize, Stay>,
    /// Connections that are not read from, and until when, once that is known.
    pub(super) paused: BTreeMap<ConnectionId, Option<Duration>>,
    /// What applications have under way, by shard, and until when, once that is known.
    pub(super) errands: Vec<(u16, Option<Duration>)>,
    /// How many each shard's has.
    pub(super) unfinished: BTreeMap<u16, u32>,
    /// What each shard was told, and has heard of that.
    pub(super) told: BTreeMap<u16, usize>,
    pub(super) heard: BTreeMap<u16, usize>,
    /// How often a connection was opened and closed.
    pub(super) opened: u64,
    pub(super) closed: u64,
    /// Where shards say what has members, if they do.
    pub(super) names: Option<Arc<Names>>,
    /// How often something else has happened, by name.
    pub(super) counted: BTreeMap<&'static str, u64>,
}

impl Book {
    /// The next moment. Notes what has been taken before it.
    pub(super) fn moment(&mut self) -> Moment {
        self.now += 2;
        let (published, taken) = (&mut self.published, self.now - 1);
        self.under_way.retain(|at| {
            let Some(it) = published.get_mut(at).filter(|it| it.broadcast.is_taken()) else { return true };
            it.taken = taken;
            false
        });
        self.now
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.counted.entry(what).or_default() += 1;
    }

    /// The next message that this source pushes to a peer, and when.
    pub(super) fn push(&mut self, peer: usize, source: Source, len: usize) -> (Moment, String) {
        let at = self.moment();
        let count = self.counts.entry((peer, source)).or_default();
        let text = format!("{:len$}", format!("push {peer} {source:?} {count} {at}"));
        *count += 1;
        self.pushed.insert(at, Pushed { peer, source, bytes: text.len() });
        (at, text)
    }

    /// The newest message of a source to a peer was not taken.
    pub(super) fn take_back(&mut self, at: Moment) {
        if let Some(Pushed { peer, source, .. }) = self.pushed.remove(&at) {
            *self.counts.entry((peer, source)).or_default() -= 1;
        }
    }

    /// Bytes pushed to a peer.
    pub(super) fn bytes_pushed(&self, to: usize) -> usize {
        let own = self.pushed.values().filter(|pushed| pushed.peer == to).map(|pushed| pushed.bytes);
        own.sum::<usize>() + self.published_bytes
    }

    /// A source sends its next message to many, by `send`.
    pub(super) fn publish(
        &mut self,
        source: Source,
        (to, excluded): (&Audience, &[ConnectionId]),
        len: usize,
        send: impl FnOnce(&Forms) -> Result<Broadcast, LineFull>,
    ) {
        let at = self.moment();
        let text = format!("{:len$}", format!("all {at}"));
        let message = Forms::from(&Prepared::new(MessageKind::Text, &[text.as_bytes()]));
        match send(&message) {
            Ok(broadcast) => {
                self.published_bytes += text.len();
                self.count(match to {
                    Audience::Everyone => "published: everyone",
                    Audience::Hub(_) => "published: hub",
                    Audience::Group(..) => "published: group",
                    Audience::User(..) => "published: user",
                });
                let excluded: Vec<usize> =
                    excluded.iter().filter_map(|id| self.open.get(id)).copied().collect();
                if !excluded.is_empty() {
                    self.count("published: but not to all");
                }
                let taken = if self.believes_all { at } else { Moment::MAX };
                self.under_way.extend((!self.believes_all).then_some(at));
                let published = Published { source, to: to.clone(), excluded, broadcast, taken };
                self.published.insert(at, published);
            }
            Err(LineFull) => self.refused += 1,
        }
    }

    /// What is known of a connection that is open.
    pub(super) fn stay(&mut self, id: ConnectionId) -> &mut Stay {
        self.stays.get_mut(&self.open[&id]).expect("it was opened")
    }
}
