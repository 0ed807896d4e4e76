//! What an application can do to connections while its shard calls it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_hub::{Members, Next, Receiver};
use holdfast_proto::MessageKind;

use super::Core;
use super::glimpse::Glimpse;
use super::planted::{Planted, is_planted};
use super::publication::Publication;
use crate::counters::{CloseReason, Counters};
use crate::{Audience, Broadcast, ConnectionId, Forms, Handle, HandshakeId, LineFull, Prepared};

/// Delivers what waits for a connection.
pub(crate) type Deliver<'a> = &'a mut dyn FnMut(Receiver<'_>, &Publication) -> Next;

/// What an application can do while it is called.
#[derive(Debug)]
pub struct Context<'a> {
    core: &'a mut Core,
}

impl<'a> Context<'a> {
    pub(crate) fn new(core: &'a mut Core) -> Self {
        Self { core }
    }

    /// Sends a message whose payload is these parts, one after the other, to a connection of any shard. Whether there
    /// is such a connection (of another shard: whether its mailbox has room). One whose outbox would pass
    /// outbox-bytes-max is closed with 1013 instead, and counts as there.
    pub fn send(&mut self, to: ConnectionId, kind: MessageKind, parts: &[&[u8]]) -> bool {
        if to.shard == self.core.shard {
            return self.core.send_message(to, kind, parts);
        }
        self.core.handle.send(to, kind, Bytes::from(parts.concat())).is_ok()
    }

    /// As [`send`](Self::send), with a message that was made once for many connections.
    pub fn send_prepared(&mut self, to: ConnectionId, message: &Prepared) -> bool {
        if to.shard == self.core.shard {
            return self.core.send_prepared(to, message);
        }
        self.core.handle.send_prepared(to, message).is_ok()
    }

    /// Sends a message to every connection of every shard, those that this application is called for included: see
    /// [`Handle::send_to_all`]. Those of this shard get it before whatever is sent from here next.
    ///
    /// # Errors
    /// When a shard has too much to finish first.
    pub fn send_to_all(&mut self, message: &Prepared) -> Result<Broadcast, LineFull> {
        self.publish(&Audience::Everyone, &[], &message.into())
    }

    /// The same for some of them only: see [`Handle::publish`].
    ///
    /// # Errors
    /// When a shard has too much to finish first.
    pub fn publish(
        &mut self,
        to: &Audience,
        excluded: &[ConnectionId],
        message: &Forms,
    ) -> Result<Broadcast, LineFull> {
        let own = Some(self.core.shard);
        let (broadcast, part) = self.core.handle.publish_but(to, excluded, message, own)?;
        if let Some(part) = part {
            self.core.begin_publication(to, excluded, message.clone(), part);
        }
        Ok(broadcast)
    }

    /// Starts the closing handshake with a connection of any shard. Whether there is such a connection (of another
    /// shard: whether its mailbox has room).
    ///
    /// # Panics
    /// In debug builds, when the code is none that may be sent (RFC 6455 7.4).
    pub fn close(&mut self, id: ConnectionId, code: u16, reason: &str) -> bool {
        debug_assert!(holdfast_proto::valid_close_code(code));
        if id.shard == self.core.shard {
            return self.core.request_close(id, CloseReason::Application, code, reason);
        }
        self.core.handle.close(id, code, reason).is_ok()
    }

    /// The id that the connection will have of an opening handshake that is [put off](crate::Admission::Later), for
    /// whoever must know it before there is one. To be given with the admission of this very handshake.
    pub fn reserve(&mut self) -> ConnectionId {
        self.core.reserve()
    }

    /// The answer to an opening handshake of this shard that was [put off](crate::Admission::Later) may take so long
    /// from now on, whatever was said before.
    pub fn postpone(&mut self, handshake: HandshakeId, within: Duration) {
        self.core.postpone(handshake, within);
    }

    /// Who is in which hub, user and group. What has to be delivered before a change is delivered by `deliver`.
    pub(crate) fn members<R>(
        &mut self,
        work: impl FnOnce(&mut Members<Publication>, &mut Deliver<'_>) -> R,
    ) -> R {
        self.core.with_members(|core, members| {
            let mut deliver: Deliver<'_> = &mut |one: Receiver<'_>, publication: &Publication| {
                if is_planted(Planted::LosesOnChange) { Next::GoOn } else { core.deliver(one, publication) }
            };
            work(members, &mut deliver)
        })
    }

    /// What is numbered of what a connection of this shard is sent is kept until it is
    /// [acknowledged](Self::acknowledge), and the connection, after its socket, for as long as it may be recovered.
    /// Whether there is such a connection.
    pub(crate) fn make_reliable(&mut self, id: ConnectionId) -> bool {
        self.core.make_reliable(id)
    }

    /// A reliable client of this shard says that it has all up to this number.
    pub(crate) fn acknowledge(&mut self, id: ConnectionId, number: u64) {
        self.core.acknowledge(id, number);
    }

    /// Reads no more from a connection of this shard, until it is [resumed](Self::resume) or closes: what it sends
    /// waits in its socket. What is being read already is still handed over, at most a buffer; from then on none of its
    /// time limits runs. Whether there is such a connection.
    pub fn pause(&mut self, id: ConnectionId) -> bool {
        self.core.set_paused(id, true)
    }

    /// Goes on reading from a connection of this shard. Whether there is such a connection.
    pub fn resume(&mut self, id: ConnectionId) -> bool {
        self.core.set_paused(id, false)
    }

    /// What this shard counts.
    pub(crate) fn counters(&self) -> &Counters {
        &self.core.counters
    }

    /// When this turn began.
    pub(crate) fn now(&self) -> Instant {
        self.core.clock.now()
    }

    /// The index of this shard.
    pub(crate) fn shard(&self) -> u16 {
        self.core.shard
    }

    /// The id of a connection of this shard, by its key.
    pub(crate) fn id_of(&self, key: u32) -> ConnectionId {
        self.core.id(key)
    }

    /// Whether this shard has, or had, a connection.
    pub(crate) fn is_mine(&self, id: ConnectionId) -> bool {
        id.shard == self.core.shard
    }

    /// Whether a connection of this shard has not ended.
    pub(crate) fn is_open(&self, id: ConnectionId) -> bool {
        self.core.is_open(id)
    }

    /// What this shard knows of a connection, if that is one of its own and has not ended.
    pub(crate) fn glimpse(&self, id: ConnectionId) -> Option<Glimpse> {
        self.is_mine(id).then(|| self.core.glimpse(id))?
    }

    /// For answers that come later, from another thread.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.core.handle
    }
}
