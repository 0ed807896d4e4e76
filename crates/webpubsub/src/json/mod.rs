//! The JSON subprotocol: one JSON object in each text frame, in both directions.
//!
//! [`parse`] reads what a client says, [`Outgoing`] writes what it hears, and measures it without writing.

mod message;
mod outgoing;
mod parse;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use message::{Content, Message, TTL_S_MAX};
pub use outgoing::{ErrorName, NUMBERED, Outgoing, SEQUENCE_ID};
pub use parse::{Invalid, parse};

/// The subprotocol's name in an opening handshake.
pub const SUBPROTOCOL: &str = "json.webpubsub.azure.v1";

/// The name of its reliable form.
pub const RELIABLE_SUBPROTOCOL: &str = "json.reliable.webpubsub.azure.v1";
