//! What runs on top of the connections.
//!
//! Each shard has an application of its own, on its own thread, so that it needs no locks. What it does at once it does
//! through the [`Context`] it is called with; what it does later, from whatever thread, through a
//! [`Handle`](crate::Handle).

use std::net::IpAddr;

use bytes::Bytes;
use holdfast_proto::{MessageKind, Request};

use crate::counters::{CloseCode, CloseReason};
use crate::shard::Core;
use crate::{Broadcast, ConnectionId, Handle, HandshakeId, Prepared, TooManyBroadcasts};

/// The logic behind the connections of one shard. It must not wait: its shard's connections wait with it.
pub trait Application {
    /// A peer asks to connect. Admits everyone unless implemented.
    fn open(&mut self, _context: &mut Context<'_>, _opening: &Opening<'_>) -> Admission {
        Admission::Now(Verdict::Accept { subprotocol: None })
    }

    /// Whether [`Opening::address`] is wanted where no setting needs it, at the cost of a system call per opening
    /// handshake.
    fn wants_addresses(&self) -> bool {
        false
    }

    /// A connection is open; `handshake` is what [`open`](Self::open) knew it by. The 101 answer goes out before
    /// anything that is sent from here.
    fn opened(&mut self, _context: &mut Context<'_>, _id: ConnectionId, _handshake: HandshakeId) {}

    /// A whole message came.
    fn message(&mut self, context: &mut Context<'_>, from: ConnectionId, message: Message<'_>) -> Reply;

    /// A connection has ended, and its id means nothing any more.
    fn closed(
        &mut self,
        _context: &mut Context<'_>,
        _id: ConnectionId,
        _reason: CloseReason,
        _code: CloseCode,
    ) {
    }
}

/// A peer's wish to connect.
#[derive(Debug)]
pub struct Opening<'a> {
    /// To answer it later.
    pub id: HandshakeId,
    /// What it asked for; borrowed, so copy what is needed later.
    pub request: &'a Request<'a>,
    /// The subprotocol that the setting `subprotocols` chose, if any: it is agreed on unless the verdict names another.
    pub subprotocol: Option<&'a str>,
    /// Whose connection it is to be: the peer's address, or what a trusted proxy says (settings `proxy-protocol` and
    /// `forwarded`). None where there is none (Unix sockets), where the proxy does not say, and where nobody asked for
    /// it: see [`Application::wants_addresses`]. IPv4 is never written as IPv6.
    pub address: Option<IpAddr>,
}

/// The answer to an opening handshake, now or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// This is the answer.
    Now(Verdict),
    /// The answer will come by [`Handle::answer`](crate::Handle::answer). Until then the peer's messages wait in its
    /// socket. Without an answer within handshake-timeout the peer gets 503.
    Later,
}

/// How an opening handshake is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 101.
    Accept {
        /// One of those the peer offered, or none.
        subprotocol: Option<String>,
    },
    /// Any other answer.
    Refuse {
        /// An HTTP status from 400 to 599.
        status: u16,
        /// The body, one sentence for a human.
        reason: String,
    },
}

/// A whole message, whatever frames it came in.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Text, which is valid UTF-8, or binary.
    pub kind: MessageKind,
    /// The payload, unmasked, on loan until the call returns.
    pub payload: &'a [u8],
}

/// What to answer to a message, besides what was sent through the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    None,
    /// The same message, after all that was sent to this connection before. It goes out from the buffer it came in.
    Echo,
}

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
