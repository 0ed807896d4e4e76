//! HTTP/1.1 for requests that ask for no WebSocket, on connections that shards have handed over and on those of an
//! address of their own.
//!
//! By hand and not by a library, for two reasons. A connection must be able to stop exactly between two requests: when
//! the next one is an upgrade, the descriptor and every byte not read go back to a shard. And what a proxy before us
//! could read differently is refused, so that nobody puts a request of his own into another one's connection: one way
//! to say a body's length, one way to end a line.
//!
//! A [`Server`] asks its [`Handler`] about each head before it takes any of the body. Everything is bounded: head and
//! body in bytes and time, all bodies together by a [`Budget`], what is read and thrown away behind a refusal.

mod body;
mod budget;
mod chunked;
mod framing;
mod handed;
mod handler;
mod limits;
mod listener;
mod look;
mod response;
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use budget::Budget;
pub(crate) use handed::serve_handed;
pub(crate) use handler::{Handler, Head};
pub(crate) use limits::Limits;
pub(crate) use listener::Listener;
pub(crate) use response::Response;
pub(crate) use server::Server;
