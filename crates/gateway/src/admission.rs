//! Who asks to connect, and what is answered.

use std::net::IpAddr;
use std::time::Duration;

use holdfast_proto::Request;

use crate::{ConnectionId, HandshakeId};

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
    /// it: see [`Application::wants_addresses`](crate::Application::wants_addresses). IPv4 is never written as IPv6.
    pub address: Option<IpAddr>,
}

/// The answer to an opening handshake, now or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// This is the answer.
    Now(Verdict),
    /// The answer will come by [`Handle::answer`](crate::Handle::answer). Until then the peer's messages wait in its
    /// socket. Without an answer in time the peer gets 503.
    Later {
        /// How long it may take; handshake-timeout if nothing is said.
        within: Option<Duration>,
        /// The id of the connection that it may become, where one was
        /// [reserved](crate::Context::reserve).
        id: Option<ConnectionId>,
    },
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
    /// 101, and the client has back a connection of its that is reliable, with all that it has missed. If that has
    /// still a socket, it loses that. If it belongs to another shard, the opening handshake goes there and is judged
    /// again.
    Recover {
        /// The connection, which may be gone: then the client hears so as by [`Close`](Self::Close), with 1008.
        id: ConnectionId,
        /// One of those the peer offered, or none.
        subprotocol: Option<String>,
    },
    /// 101, and a close frame at once: for clients that understand no other refusal. It becomes no connection.
    Close {
        /// One of those the peer offered, or none.
        subprotocol: Option<String>,
        /// The close code.
        code: u16,
        /// The close frame's reason.
        reason: String,
    },
}
