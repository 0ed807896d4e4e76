//! What other nodes want is done on the shards. Nothing here waits for a shard: what one has no room for goes into a
//! line, and all that comes later goes behind it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Waker};
use std::time::Instant;

use bytes::Bytes;
use holdfast_cluster::envelope::{Envelope, Excluded, Operation, Publication, Refusal, Target as WireTarget};
use holdfast_cluster::{Asker, ConnectionName, Delivery, Where};
use holdfast_hub::Hub;
use holdfast_webpubsub::json::Outgoing;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::deeds::Deeds;
use super::super::filter;
use super::super::hubs::LiveHub;
use super::super::messages::forms;
use super::line::{Line, WAIT_MAX, Waiting};
use super::node::Cluster;
use super::reply::{Question, Reply};
use super::words::{data, meant, user};
use crate::{Audience, Choice, ConnectionId, Forms};

/// Most questions of other nodes that shards are at work on.
pub(in crate::services) const ASKED_MAX: usize = 4096;
/// Most bytes of messages to single connections, and of closes, that shards have not taken. One that is longer goes
/// alone.
pub(in crate::services) const NOTES_BYTES_MAX: u32 = 16 << 20;
/// Bytes that each of them takes besides what it says.
const NOTE_BYTES: usize = 512;

/// A shard has no room.
#[derive(Debug)]
struct Full;

/// Does what other nodes want.
#[derive(Debug)]
pub(super) struct Deliverer {
    cluster: Arc<Cluster>,
    deeds: Deeds,
    /// Longest message that an outbox takes.
    frame_bytes_max: usize,
    line: Line,
    notes: Arc<Semaphore>,
    asked: Arc<Semaphore>,
}

impl Deliverer {
    pub(super) fn new(cluster: Arc<Cluster>, deeds: Deeds, frame_bytes_max: usize) -> Self {
        let line = Line::new(cluster.settings.queue_bytes);
        let notes = Arc::new(Semaphore::new(NOTES_BYTES_MAX as usize));
        Self { cluster, deeds, frame_bytes_max, line, notes, asked: Arc::new(Semaphore::new(ASKED_MAX)) }
    }

    /// Whether something waits for room.
    pub(super) fn is_waiting(&self) -> bool {
        !self.line.is_empty()
    }

    /// Does this, or has it wait.
    pub(super) fn take(&mut self, now: Instant, delivery: Delivery<'_>, message: &Bytes) {
        if self.line.is_empty() && self.carry_out(&delivery).is_ok() {
            return;
        }
        let Delivery { hub, to, asker, .. } = delivery;
        let waiting = Waiting { since: now, hub, to, asker, message: message.clone() };
        if let Err(back) = self.line.push(waiting) {
            self.give_up(back.asker);
        }
        self.gauge();
    }

    /// Does what waits, as far as there is room.
    pub(super) fn retry(&mut self, now: Instant) {
        if self.line.is_empty() {
            return;
        }
        while let Some(first) = self.line.pop() {
            // It was read before.
            let Ok(envelope) = Envelope::read(&first.message) else { continue };
            let Envelope { node: from, operation, .. } = envelope;
            let delivery =
                Delivery { from, hub: first.hub, operation, to: first.to.clone(), asker: first.asker };
            if self.carry_out(&delivery).is_ok() {
                continue;
            }
            if now.saturating_duration_since(first.since) < WAIT_MAX {
                self.line.put_back(first);
                break;
            }
            self.give_up(first.asker);
        }
        self.gauge();
    }

    fn carry_out(&self, delivery: &Delivery<'_>) -> Result<(), Full> {
        let hub = u8::try_from(delivery.hub).ok().and_then(|index| self.deeds.hubs.at(Hub(index)));
        let Some(live) = hub else { return Ok(()) };
        match delivery.operation {
            Operation::Publish(ref publication) => self.publish(live, publication, &delivery.to),
            Operation::Close { of, excluded, reason } => self.close(live.index, of, excluded, reason),
            ref asked => {
                self.answer(live.index, asked, delivery.asker);
                Ok(())
            }
        }
    }

    fn publish(&self, live: &LiveHub, publication: &Publication<'_>, to: &Where) -> Result<(), Full> {
        let Some((audience, message)) = self.read(live, publication) else { return Ok(()) };
        if message.len() > self.frame_bytes_max {
            self.cluster.tally.dropped.fetch_add(1, Relaxed);
            return Ok(());
        }
        let excluded = self.here(publication.excluded);
        let handle = &self.deeds.handle;
        match (to, audience) {
            (Where::Shards(shards), Some(audience)) => {
                handle.publish_in(shards, &audience, &excluded, &message).map(drop).map_err(|_| Full)
            }
            (Where::Connection(name), _) => {
                let Some(id) = self.find(*name).filter(|id| !excluded.contains(id)) else { return Ok(()) };
                let permit = self.note(message.len())?;
                drop(self.deeds.send(live.index, id, message, live.counts.deliveries(), permit));
                Ok(())
            }
            (Where::Shards(_), None) => Ok(()),
        }
    }

    /// A publication as it is published here: to an audience, or to one connection. None where it is not what it must
    /// be, which is counted.
    fn read(&self, live: &LiveHub, publication: &Publication<'_>) -> Option<(Option<Audience>, Forms)> {
        let Publication { to, filter, sender, kind, payload, .. } = *publication;
        let read = || {
            let data = data(kind, payload)?;
            let from_user = user(sender)?;
            let chosen = filter::read(filter).ok()?.map(|chosen| chosen as Arc<dyn Choice>);
            // Names that nobody can have are not looked for.
            meant(to)?;
            let (audience, envelope) = match to {
                WireTarget::All => (Some(Audience::Hub(live.index)), Outgoing::FromServer { data }),
                WireTarget::User(name) => {
                    (Some(Audience::User(live.index, name.into())), Outgoing::FromServer { data })
                }
                WireTarget::Group(group) => (
                    Some(Audience::Group(live.index, group.into())),
                    Outgoing::FromGroup { group, data, from_user },
                ),
                WireTarget::Connection(_) => (None, Outgoing::FromServer { data }),
            };
            Some((audience, forms(live, data, &envelope).chosen_by(chosen)))
        };
        let read = read();
        if read.is_none() {
            self.cluster.tally.bad.fetch_add(1, Relaxed);
        }
        read
    }

    fn close(
        &self,
        hub: Hub,
        of: WireTarget<'_>,
        excluded: Excluded<'_>,
        reason: Option<&str>,
    ) -> Result<(), Full> {
        let Some(of) = meant(of) else {
            self.cluster.tally.bad.fetch_add(1, Relaxed);
            return Ok(());
        };
        let permit = self.note(reason.map_or(0, str::len))?;
        let closed = self.deeds.close(hub, of, self.here(excluded), reason);
        go_on(async move {
            closed.await;
            drop(permit);
        });
        Ok(())
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

    /// What there was no room for is dropped.
    fn give_up(&self, asker: Option<Asker>) {
        self.cluster.tally.dropped.fetch_add(1, Relaxed);
        if let Some(asker) = asker {
            self.cluster.answer(asker, Reply::refused(Refusal::Unavailable).answer());
        }
    }

    /// Room for something that is said to one shard or all.
    fn note(&self, len: usize) -> Result<OwnedSemaphorePermit, Full> {
        let len = u32::try_from(len + NOTE_BYTES).unwrap_or(NOTES_BYTES_MAX).min(NOTES_BYTES_MAX);
        Arc::clone(&self.notes).try_acquire_many_owned(len).map_err(|_| Full)
    }

    /// Those of these connections that are of this process.
    fn here(&self, names: Excluded<'_>) -> Vec<ConnectionId> {
        names.iter().filter_map(|name| self.find(name)).collect()
    }

    fn find(&self, name: ConnectionName) -> Option<ConnectionId> {
        let handle = &self.deeds.handle;
        handle.names().find(name.into()).filter(|id| id.shard < handle.shards())
    }

    fn gauge(&self) {
        let (count, bytes) = self.line.size();
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
