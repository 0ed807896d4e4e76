//! The bus over NATS: what carries messages from node to node, by core NATS and without anything stored.
//!
//! [`NatsBus`] is the [`Bus`](holdfast_cluster::bus::Bus) of a node. It has tasks of its own, on the runtime where it
//! was started: they connect, subscribe, show that the server has heard of that, send what waits, read what comes, and
//! go to another server when theirs is lost or about to end.
//!
//! A [`Messenger`] has the same connection for another use: it publishes events for services, and asks them.
//!
//! NATS's client protocol is spoken here, without a client library. What of it is needed is little: `INFO`, `CONNECT`,
//! `SUB`, `PUB`, `HPUB`, `MSG`, `HMSG`, `PING`, `PONG`, `+OK`, `-ERR`. async-nats 0.51 was used first, and left:
//!
//! - It panics at a bare `-ERR` and at `MSG a 1 18446744073709551615`, also before TLS, and a panic ends the whole
//!   gateway, which is built to abort. Here whatever comes is read or refused in one sentence; a fuzz target says so.
//! - It reads the first line without a bound. Here every line, header and message is bounded before memory is taken.
//! - Headers that it does not understand end the connection of all who listen. Here that is a message without headers,
//!   and counted.
//! - What is published while there is no server comes later all at once: its channel survives the connection. Here what
//!   waits goes with the connection ([`Refused::Away`]), and is counted.
//! - Its `publish` says falsely that it is full; a full subscription drops without a word. Here queues are bounded in
//!   bytes, and what is dropped is counted.
//! - A denied subject is an event. Here the bus is not there, and says why in one sentence.
//!
//! And what every client of NATS has to know:
//!
//! - A server that stands still takes bytes for a minute. At most 2 MiB go to it before it has shown that it read them;
//!   silent for 5 s, it is left.
//! - That bytes were written says nothing. A request to a subject that nobody has does: its answer is behind all that
//!   was said before.
//! - A subject with a space or an end of a line in it ends the connection, or says something else. It is refused.
//! - A server about to end says so, perhaps twice. Another one is connected to first, and nothing is lost.
//! - A server tells addresses of others. They are used, but never without TLS where that was asked for.
//! - Before TLS anybody may have said what was said. Nothing of ours is said there, and what comes with the server's
//!   first line, behind it, ends the attempt.
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
mod unusable;
mod window;
mod writer;

pub use answers::NotAnswered;
pub use bus::NatsBus;
pub use credentials::{Credentials, CredentialsError};
pub use holdfast_cluster::bus::Refused;
pub use message::token;
pub use messenger::{Answer, Messenger};
pub use options::Options;
pub use server::{ServerUrl, UrlError};
pub use status::{Counts, Status};
pub use unusable::Unusable;
