//! The bus over NATS: what carries messages from node to node, by core NATS and without anything stored.
//!
//! [`NatsBus`] is the [`Bus`](holdfast_cluster::bus::Bus) of a node. It has tasks of its own, on the runtime where it
//! was started: they connect, subscribe, show that the server has heard of that, send what waits, read what comes, and
//! go to another server when theirs is lost or about to end.
//!
//! A [`Messenger`] has the same connection for another use: it publishes events for services, and asks them.
//!
//! The client library is async-nats. What it does otherwise than a node needs, and what is done here:
//!
//! - A subscription costs it 5 KB: there are a handful for each node, fixed at start.
//! - Its requests leak when nobody answers, and hang while there is no server: none is used. Answers come to subjects
//!   and tables of our own.
//! - While there is no server it keeps what is published, and sends it later all at once. Here a client lives as long
//!   as its connection, what waits goes with it, and meanwhile publishing is [refused](Refused::Away).
//! - It says falsely that it is full: a task that may wait takes from a queue that is bounded in bytes.
//! - A server that stands still takes what is published for a minute. Here at most 2 MiB go to a server that has not
//!   shown that it read them, and one that is silent for five seconds is left.
//! - A full subscription drops messages. Here all that has come is read in one turn, into an inbox that is bounded in
//!   bytes, and what is dropped is counted.
//! - Its flush is no round trip: a request to a subject that nobody has is, its answer is behind all that was said.
//! - It comes back without jitter: delays are our own.
//! - A denied subject is an event: here the bus is not there then, and says why in one sentence.
//! - Subjects that end a connection pass: here they are refused.
//! - A server that is about to end is an event: here another one is connected to first, and nothing is lost.
//! - It uses addresses of which a server tells, when it is connected to. So do we, but never without TLS where that was
//!   asked for.
//!
//! Whoever may publish in its account can end a node's connection with a header that is none: the library takes that
//! for the end of its server. It comes back.
#![forbid(unsafe_code)]

mod answers;
mod bus;
mod credentials;
mod dial;
mod keeper;
mod link;
mod message;
mod messenger;
mod options;
mod places;
mod queue;
mod server;
mod shared;
mod status;
mod tls;
mod window;

pub use bus::NatsBus;
pub use credentials::{Credentials, CredentialsError};
pub use holdfast_cluster::bus::Refused;
pub use message::token;
pub use messenger::{Answer, Messenger, NotAnswered};
pub use options::{Options, Unusable};
pub use server::{ServerUrl, UrlError};
pub use status::{Counts, Status};
