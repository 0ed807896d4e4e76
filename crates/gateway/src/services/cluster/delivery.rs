//! What other nodes want is done on the shards. Nothing here waits for a shard: what one has no room for goes into its
//! line, and all that comes later for that shard goes behind it. What is asked does not: whoever asks waits for a
//! second.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Waker};
use std::time::Instant;

use holdfast_cluster::envelope::{Excluded, Operation, Publication, Refusal, Target as WireTarget};
use holdfast_cluster::{Asker, ConnectionName, Delivery, Where};
use holdfast_hub::Hub;
use holdfast_webpubsub::json::Outgoing;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::deeds::Deeds;
use super::super::filter;
use super::super::hubs::LiveHub;
use super::super::messages::forms;
use super::line::{Line, WAIT_MAX, Waiting, Work};
use super::node::Cluster;
use super::reply::{Question, Reply};
use super::words::{data, meant, user};
use crate::{Audience, Choice, ConnectionId, Forms};

/// Most questions of other nodes that shards are at work on.
pub(in crate::services) const ASKED_MAX: usize = 4096;
/// Most bytes of messages to single connections, and of closes, that all shards together have not taken. One that is
/// longer than a shard's part goes alone.
pub(in crate::services) const NOTES_BYTES_MAX: usize = 16 << 20;

/// A shard has no room.
#[derive(Debug)]
struct Full;

/// Something is not what it must be.
#[derive(Debug)]
struct Bad;

/// Does what other nodes want.
#[derive(Debug)]
pub(super) struct Deliverer {
    cluster: Arc<Cluster>,
    deeds: Deeds,
    /// Longest message that an outbox takes.
    frame_bytes_max: usize,
    /// Of each shard.
    lines: Box<[Line]>,
    /// Room for what a shard is told besides publications, of each.
    notes: Box<[Arc<Semaphore>]>,
    notes_max: u32,
    asked: Arc<Semaphore>,
}

impl Deliverer {
    pub(super) fn new(cluster: Arc<Cluster>, deeds: Deeds, frame_bytes_max: usize) -> Self {
        let shards = usize::from(deeds.handle.shards()).max(1);
        let notes_max = NOTES_BYTES_MAX / shards;
        Self {
            lines: (0..shards).map(|_| Line::new(cluster.settings.queue_bytes / shards)).collect(),
            notes: (0..shards).map(|_| Arc::new(Semaphore::new(notes_max))).collect(),
            notes_max: u32::try_from(notes_max).unwrap_or(u32::MAX),
            cluster,
            deeds,
            frame_bytes_max,
            asked: Arc::new(Semaphore::new(ASKED_MAX)),
        }
    }

    /// Whether something waits for room.
    pub(super) fn is_waiting(&self) -> bool {
        self.lines.iter().any(|line| !line.is_empty())
    }

    /// Does this, or has it wait.
    pub(super) fn take(&mut self, now: Instant, delivery: Delivery<'_>) {
        let hub = u8::try_from(delivery.hub).ok().and_then(|index| self.deeds.hubs.at(Hub(index)));
        let Some(live) = hub.cloned() else { return };
        let work = match delivery.operation {
            Operation::Publish(ref publication) => self.publication(&live, publication, &delivery.to),
            Operation::Close { of, excluded, reason } => {
                let (hub, excluded) = (live.index, self.here(excluded));
                let of = meant(of).map(Arc::new).ok_or(Bad);
                of.map(|of| Some(Work::Close { hub, of, excluded, reason: reason.map(Into::into) }))
            }
            ref asked => return self.answer(live.index, asked, delivery.asker),
        };
        let shards = match delivery.to {
            Where::Shards(shards) => shards,
            Where::Connection(name) => self.find(name).map(|id| id.shard).into_iter().collect(),
        };
        match work {
            Ok(Some(work)) => self.take_in(now, &shards, &work),
            Ok(None) => {}
            Err(Bad) => drop(self.cluster.tally.bad.fetch_add(1, Relaxed)),
        }
    }

    /// Does this on these shards, or has it wait where there is no room.
    fn take_in(&mut self, now: Instant, shards: &[u16], work: &Work) {
        if work.longest() > self.frame_bytes_max {
            self.cluster.tally.dropped.fetch_add(1, Relaxed);
            return;
        }
        let is_free = shards.iter().all(|shard| self.lines[usize::from(*shard)].is_empty());
        if is_free && self.carry_out(shards, work).is_ok() {
            return;
        }
        for shard in shards {
            let index = usize::from(*shard);
            if self.lines[index].is_empty() && self.carry_out(&[*shard], work).is_ok() {
                continue;
            }
            if !self.lines[index].push(Waiting { since: now, work: work.clone() }) {
                self.cluster.tally.dropped.fetch_add(1, Relaxed);
            }
        }
        self.gauge();
    }

    /// Does what waits, as far as there is room.
    pub(super) fn retry(&mut self, now: Instant) {
        if !self.is_waiting() {
            return;
        }
        for shard in 0..self.deeds.handle.shards() {
            while let Some(first) = self.lines[usize::from(shard)].first() {
                if self.carry_out(&[shard], &first.work).is_err() {
                    if now.saturating_duration_since(first.since) < WAIT_MAX {
                        break;
                    }
                    self.cluster.tally.dropped.fetch_add(1, Relaxed);
                }
                self.lines[usize::from(shard)].pop();
            }
        }
        self.gauge();
    }

    /// Does something on all of these shards, or on none where one has no room.
    fn carry_out(&self, shards: &[u16], work: &Work) -> Result<(), Full> {
        match work {
            Work::Publish { to, excluded, message } => {
                let published = self.deeds.handle.publish_in(shards, to, excluded, message);
                published.map(drop).map_err(|_| Full)
            }
            Work::Send { hub, to, message } => {
                let Some(live) = self.deeds.hubs.at(*hub) else { return Ok(()) };
                let permit = self.note(to.shard, work)?;
                drop(self.deeds.send(*hub, *to, message.clone(), live.counts.deliveries(), permit));
                Ok(())
            }
            Work::Close { hub, of, excluded, reason } => {
                let permits: Vec<_> =
                    shards.iter().map(|shard| self.note(*shard, work)).collect::<Result<_, _>>()?;
                let shards = shards.to_vec();
                let closed = self.deeds.close_in(
                    shards,
                    *hub,
                    Arc::clone(of),
                    Arc::clone(excluded),
                    reason.as_deref(),
                );
                go_on(async move {
                    closed.await;
                    drop(permits);
                });
                Ok(())
            }
        }
    }

    /// A publication as it is published here: to an audience, or to one connection. None where that has gone, or is
    /// left out.
    fn publication(
        &self,
        live: &LiveHub,
        publication: &Publication<'_>,
        to: &Where,
    ) -> Result<Option<Work>, Bad> {
        let Publication { to: target, excluded, filter, sender, kind, payload } = *publication;
        let (data, from_user) = (data(kind, payload).ok_or(Bad)?, user(sender).ok_or(Bad)?);
        let chosen = filter::read(filter).map_err(|_| Bad)?.map(|chosen| chosen as Arc<dyn Choice>);
        // Names that nobody can have are not looked for.
        meant(target).ok_or(Bad)?;
        let hub = live.index;
        let (audience, envelope) = match target {
            WireTarget::All => (Some(Audience::Hub(hub)), Outgoing::FromServer { data }),
            WireTarget::User(name) => (Some(Audience::User(hub, name.into())), Outgoing::FromServer { data }),
            WireTarget::Group(group) => {
                (Some(Audience::Group(hub, group.into())), Outgoing::FromGroup { group, data, from_user })
            }
            WireTarget::Connection(_) => (None, Outgoing::FromServer { data }),
        };
        let message: Forms = forms(live, data, &envelope).chosen_by(chosen);
        let excluded = self.here(excluded);
        match (audience, to) {
            (Some(to), Where::Shards(_)) => Ok(Some(Work::Publish { to, excluded, message })),
            (None, Where::Connection(name)) => {
                let to = self.find(*name).filter(|id| !excluded.contains(id));
                Ok(to.map(|to| Work::Send { hub, to, message }))
            }
            _ => Err(Bad),
        }
    }

    /// Does what is asked, and answers when it is done.
    fn answer(&self, hub: Hub, operation: &Operation<'_>, asker: Option<Asker>) {
        let cluster = Arc::clone(&self.cluster);
        let reply = move |reply: &Reply| {
            if let Some(asker) = asker {
                cluster.answer(asker, reply.answer());
            }
        };
        let Some(question) = Question::read(operation) else {
            self.cluster.tally.bad.fetch_add(1, Relaxed);
            return reply(&Reply::refused(Refusal::Unsupported));
        };
        let Ok(permit) = Arc::clone(&self.asked).try_acquire_owned() else {
            return reply(&Reply::refused(Refusal::Unavailable));
        };
        let answered = question.answered(self.deeds.clone(), hub);
        go_on(async move {
            reply(&answered.await);
            drop(permit);
        });
    }

    /// Room for something that a shard is told.
    fn note(&self, shard: u16, work: &Work) -> Result<OwnedSemaphorePermit, Full> {
        let notes = self.notes.get(usize::from(shard)).ok_or(Full)?;
        let len = u32::try_from(work.len()).unwrap_or(u32::MAX).min(self.notes_max);
        Arc::clone(notes).try_acquire_many_owned(len).map_err(|_| Full)
    }

    /// Those of these connections that are of this process.
    fn here(&self, names: Excluded<'_>) -> Arc<[ConnectionId]> {
        names.iter().filter_map(|name| self.find(name)).collect()
    }

    fn find(&self, name: ConnectionName) -> Option<ConnectionId> {
        let handle = &self.deeds.handle;
        handle.names().find(name.into()).filter(|id| id.shard < handle.shards())
    }

    fn gauge(&self) {
        let (count, bytes) = self
            .lines
            .iter()
            .map(Line::size)
            .fold((0, 0), |(count, bytes), (one, of_one)| (count + one, bytes + of_one));
        self.cluster.tally.waiting.store(count, Relaxed);
        self.cluster.tally.waiting_bytes.store(bytes, Relaxed);
    }
}

/// Polls something once, so that shards are told now, in the order in which things come, and goes on with it later if
/// it is not over.
fn go_on(work: impl Future<Output = ()> + Send + 'static) {
    let mut work = Box::pin(work);
    if work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        tokio::spawn(work);
    }
}
