//! The bus over NATS: what carries messages from node to node, by core NATS and without anything stored.
//!
//! [`NatsBus`] is the [`Bus`](holdfast_cluster::bus::Bus) of a node. It has tasks of its own, on the runtime where it
//! was started: they connect, subscribe, show that the server has heard of that, send what waits, read what comes, and
//! go to another server when theirs is lost or about to end.
//!
//! A [`Messenger`] has the same connection for another use: it publishes events for services, and asks them.
//!
//! The client library is async-nats. Twelve things that it does otherwise than a node needs are dealt with here:
//!
//! | the library | here |
//! |---|---|
//! | 5 KB for each subscription | a handful for each node, fixed at start |
//! | `request` leaks when nobody answers, and hangs while there is no server | not used: own reply subjects |
//! | publishes are kept while there is no server, and come later all at once | a client lives as long as its connection: what waits goes with it ([`Refused::Away`](holdfast_cluster::bus::Refused::Away)) |
//! | `publish` says falsely that it is full | a task that may wait takes from a queue bounded in bytes |
//! | a server that stands still takes what is published for a minute | at most 2 MiB go to a server before it has shown that it read them; silent for 5 s, it is left |
//! | a full subscription drops messages without a word | what comes is bounded in bytes, and what is dropped is counted |
//! | `flush` is no round trip | a request to a subject that nobody has: its answer is behind all that was said before |
//! | reconnecting has no jitter | own delays |
//! | a denied subject is an event | the bus is not there, and says why in one sentence |
//! | subjects that end the connection are sent | refused |
//! | a server about to end is an event | another one is connected to first, nothing is lost |
//! | addresses of servers that a server tells are used | likewise, but never without TLS where that was asked for |
#![forbid(unsafe_code)]

mod answers;
mod bus;
mod credentials;
mod denial;
mod dial;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod intake;
mod keeper;
mod link;
mod message;
mod messenger;
mod options;
mod places;
mod probes;
mod protocol;
mod queue;
mod seed;
mod server;
mod shared;
mod status;
mod tls;
mod window;
mod writer;

pub use bus::NatsBus;
pub use credentials::{Credentials, CredentialsError};
pub use holdfast_cluster::bus::Refused;
pub use message::token;
pub use messenger::{Answer, Messenger, NotAnswered};
pub use options::{Options, Unusable};
pub use server::{ServerUrl, UrlError};
pub use status::{Counts, Status};
