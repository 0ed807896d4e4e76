//! Holdfast: a WebSocket gateway that holds very many mostly idle connections.
#![forbid(unsafe_code)]

mod access;
mod admission;
mod application;
mod broadcast;
mod drainer;
mod echo;
mod gateway;
mod handle;
mod id;
mod lines;
mod listen;
mod prepared;
mod quota;
mod rung;
mod shard;
mod signals;

pub mod admin;
pub mod counters;
pub mod limits;
pub mod logging;
pub mod metrics;
pub mod settings;

pub use access::Reopener;
pub use admission::{Admission, Opening, Verdict};
pub use application::{Application, Message, Reply};
pub use broadcast::{BROADCASTS_MAX, Broadcast, TooManyBroadcasts};
pub use drainer::{Drainer, NotDraining};
pub use echo::Echo;
pub use gateway::{Gateway, Outcome, StartError};
pub use handle::{DrainPlan, Handle, MAILBOX_MAX, MailboxFull};
pub use holdfast_proto::{MessageKind, Request};
pub use id::{ConnectionId, HandshakeId};
pub use listen::ListenError;
pub use prepared::Prepared;
pub use rung::Rung;
#[cfg(feature = "simulated")]
#[doc(hidden)]
pub use shard::PlainShard;
pub use shard::{CONNECTION_BYTES_MAX, Context};
pub use signals::Signals;
