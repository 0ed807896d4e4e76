//! Holdfast: a WebSocket gateway that holds very many mostly idle connections.
//!
//! The modules, from the ground up; each rests on those before it only (`tests/borders.rs`). [`settings`] and
//! [`limits`] say what may be; [`counters`], [`metrics`] and [`logging`] what happens. `publish` has messages for many,
//! `handle` reaches shards from outside. A `shard` holds connections and asks its [`Application`] about them. `start`
//! makes shards, `control` looks after them: [`admin`], signals, drains.
#![forbid(unsafe_code)]

mod admission;
mod application;
mod control;
mod echo;
mod handle;
mod id;
pub mod limits;
mod observe;
mod publish;
mod quota;
pub mod settings;
mod shard;
mod start;

pub use admission::{Admission, Opening, Verdict};
pub use application::{Application, Message, Reply};
pub use control::{Control, Drainer, NotDraining, Phase, Readiness, admin};
pub use echo::Echo;
pub use handle::{
    DrainPlan, HandedRequest, Handle, Inbox, MAILBOX_MAX, NotServed, NotTaken, Origin, REQUESTS_MAX, Report,
    RequestPermit,
};
pub use holdfast_proto::{MessageKind, Request};
pub use id::{ConnectionId, HandshakeId};
pub use limits::CONNECTION_BYTES_MAX;
pub use observe::{Reopener, counters, logging, metrics};
pub use publish::{BROADCASTS_MAX, Broadcast, Prepared, TooManyBroadcasts};
pub use shard::Context;
#[cfg(feature = "simulated")]
#[doc(hidden)]
pub use shard::PlainShard;
pub use start::{Gateway, ListenError, Outcome, Rung, StartError};
