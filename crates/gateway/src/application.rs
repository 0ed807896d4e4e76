//! What runs on top of the connections.
//!
//! Each shard has an application of its own, on its own thread, so that it needs no locks. What it does at once it does
//! through the [`Context`] it is called with; what it does later, from whatever thread, through a
//! [`Handle`](crate::Handle).

use std::any::Any;
use std::sync::Arc;

use holdfast_cluster::names::Names;
use holdfast_proto::{MessageKind, Request};

use crate::admission::{Admission, Opening, Verdict};
use crate::counters::{CloseCode, CloseReason};
use crate::shard::Context;
use crate::{ConnectionId, HandshakeId};

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

    /// Whether HTTP requests that ask for no WebSocket are taken from [`Handle::inbox`](crate::Handle::inbox) and
    /// served by whoever reads it. If not, shards answer them themselves: 405, 426 or 505. Health checks
    /// (`health-path`) are always answered by their shards.
    ///
    /// Whoever takes them holds up to [`REQUESTS_MAX`](crate::REQUESTS_MAX) descriptors, and the bytes of as many
    /// requests, which the automatic limits know nothing of: leave room for them by `connections-max`.
    fn takes_requests(&self) -> bool {
        false
    }

    /// Whether an opening handshake may be that of a client that wants a connection back ([`Verdict::Recover`]). It is
    /// judged even while the gateway is full. Nobody does unless implemented.
    fn may_recover(&self, _request: &Request<'_>) -> bool {
        false
    }

    /// By how many bytes an answer may be longer than the message that it answers. Connections are read into long
    /// buffers only where their outboxes hold the answers to all that such a buffer can bring.
    fn answers_longer_by(&self) -> usize {
        0
    }

    /// Where this shard says which hubs, users and groups have members in it, for whoever is not to wake it in vain.
    /// Asked once, before anybody comes; when the shard ends, all that it has said is taken back. Nowhere unless
    /// implemented.
    fn names(&self) -> Option<Arc<Names>> {
        None
    }

    /// An opening handshake that this application has admitted, or put off, comes to nothing: it was refused for
    /// another reason, such as its time or a drain, or its answer was a refusal.
    fn abandoned(&mut self, _context: &mut Context<'_>, _handshake: HandshakeId) {}

    /// Who has connected, for the access log. Called before [`opened`](Self::opened), for those that are logged.
    fn visitor(&self, _handshake: HandshakeId) -> Visitor {
        Visitor::default()
    }

    /// A connection is open; `handshake` is what [`open`](Self::open) knew it by. The 101 answer goes out before
    /// anything that is sent from here.
    fn opened(&mut self, _context: &mut Context<'_>, _id: ConnectionId, _handshake: HandshakeId) {}

    /// A client has its connection back. The 101 answer goes out before anything that is sent from here, and that
    /// before what the client has missed.
    fn recovered(&mut self, _context: &mut Context<'_>, _id: ConnectionId) {}

    /// A whole message came.
    fn message(&mut self, context: &mut Context<'_>, from: ConnectionId, message: Message<'_>) -> Reply;

    /// Somebody tells this shard something by [`Handle::tell`](crate::Handle::tell).
    fn told(&mut self, _context: &mut Context<'_>, _note: Box<dyn Any + Send>) {}

    /// Whether nothing is under way here that its shard is to be there for. A drain for the end waits for that.
    fn is_idle(&self) -> bool {
        true
    }

    /// The shard ends, and every connection has [`closed`](Self::closed): nobody hears or tells anything here any more.
    fn ended(&mut self, _context: &mut Context<'_>) {}

    /// A quarter of a second has passed. For what has to be tried again now and then.
    fn beat(&mut self, _context: &mut Context<'_>) {}

    /// The gateway is about to begin a closing handshake with a connection: for a drain, a time limit, a rate, a
    /// message that is too long or no UTF-8, or because the application has asked for it. What is sent from here goes
    /// out before the close frame. It is not called where a connection's frames are wrong, or it reads too slowly: it
    /// is to hear nothing more.
    fn closing(&mut self, _context: &mut Context<'_>, _id: ConnectionId, _reason: CloseReason, _text: &str) {}

    /// A connection has ended, and its id means nothing any more. So do, at last, those that the end of the gateway
    /// cuts.
    fn closed(
        &mut self,
        _context: &mut Context<'_>,
        _id: ConnectionId,
        _reason: CloseReason,
        _code: CloseCode,
    ) {
    }
}

/// Who has connected, as the access log says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// The hub.
    pub hub: Option<String>,
    /// The user, or what stands for him.
    pub user: Option<String>,
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
