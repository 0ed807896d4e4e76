//! What an application can do to connections while its shard calls it.

use bytes::Bytes;
use holdfast_proto::MessageKind;

use super::Core;
use crate::counters::CloseReason;
use crate::{Broadcast, ConnectionId, Handle, Prepared, TooManyBroadcasts};

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
    /// When a shard has [`BROADCASTS_MAX`](crate::BROADCASTS_MAX) to finish first.
    pub fn send_to_all(&mut self, message: &Prepared) -> Result<Broadcast, TooManyBroadcasts> {
        let (broadcast, part) = self.core.handle.broadcast(message, Some(self.core.shard))?;
        if let Some(part) = part {
            self.core.begin_broadcast(message.clone(), part);
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

    /// For answers that come later, from another thread.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.core.handle
    }
}
