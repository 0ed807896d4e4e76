//! NATS's client protocol: bytes to events, messages to bytes. Nothing here waits, has a socket, or panics.
//!
//! Whatever comes is bounded before memory is taken for it:
//!
//! | what | at most |
//! |---|---|
//! | a line | 4,096 bytes, as a server takes from a publisher, and 256 for what it adds |
//! | `INFO` | 64 KiB |
//! | a message, headers and all | what the server takes by its own `INFO`, no more than 64 MiB, and 64 KiB |
//! | a longer one, of less than 2 GiB | is passed over and counted |
//! | headers that are understood | 64 KiB |

mod headers;
mod info;
mod parse;
mod write;

pub(crate) use headers::encode;
pub(crate) use info::{Connect, Info};
pub(crate) use parse::{Event, Garbage, MESSAGE_LEN_MAX, Parser, ROOM};
pub(crate) use write::{connect, ping, pong, probe, publish, subscribe};

/// What a server says if nobody listens.
pub(crate) const NO_RESPONDERS: u16 = 503;
