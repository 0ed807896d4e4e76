//! Holdfast: a WebSocket gateway that holds very many mostly idle connections.
//!
//! The modules, from the ground up; each rests on those before it only (`tests/borders.rs`). [`settings`] and
//! [`limits`] say what may be; [`counters`], [`metrics`], [`cluster`] and [`logging`] what happens. `publish` has
//! messages for many, `handle` reaches shards from outside. A `shard` holds connections and asks its [`Application`]
//! about them. `start` makes shards, `services` is what ordinary HTTP services talk through, `control` looks after it
//! all: [`admin`], signals, drains. [`commands`] are what the program does besides.
#![forbid(unsafe_code)]

mod admission;
mod application;
pub mod commands;
mod control;
mod echo;
mod handle;
mod id;
pub mod limits;
mod observe;
mod publish;
mod quota;
mod services;
pub mod settings;
mod shard;
mod start;

pub use admission::{Admission, Opening, Verdict};
pub use application::{Application, Message, Reply, Visitor};
pub use control::{Control, Drainer, NotDraining, Phase, Readiness, admin};
pub use echo::Echo;
pub use handle::{
    Audience, DrainPlan, HandedRequest, Handle, Inbox, MAILBOX_MAX, NotServed, NotTaken, Origin,
    REQUESTS_MAX, Report, RequestPermit,
};
pub use holdfast_proto::{MessageKind, Request};
pub use id::{ConnectionId, ConnectionName, HandshakeId, Names};
pub use limits::CONNECTION_BYTES_MAX;
pub use observe::{Reopener, cluster, counters, logging, metrics};
pub use publish::{Broadcast, Choice, Forms, LineFull, PUBLICATION_BYTES_MAX, PUBLICATIONS_MAX, Prepared};
pub use services::{Finisher, Front, HubsError, Reloader, Services, ServicesError};
pub use shard::Context;
pub(crate) use shard::Glimpse;
#[cfg(feature = "simulated")]
#[doc(hidden)]
pub use shard::PlainShard;
pub use start::{Gateway, ListenError, Outcome, Rung, StartError};
