//! permessage-deflate (RFC 7692), without context takeover in either direction: nothing is remembered from one
//! message to the next, so that one [`Inflater`] and one [`Deflater`] serve any number of connections, and a
//! connection keeps nothing but what was agreed on, an [`Option<WindowBits>`](WindowBits) of one byte.
//!
//! - [`negotiate`]: from the offers of an opening handshake to an [`Agreement`].
//! - [`Inflater`]: for [`Receiver::next_compressed`](crate::Receiver::next_compressed). Output is bounded while it is
//!   produced.
//! - [`Deflater`]: makes compressed frames.

mod deflater;
mod inflater;
mod offer;

pub use deflater::{DEFLATER_BYTES, Deflater};
pub use inflater::{INFLATER_BYTES, Inflated, Inflater};
pub use offer::{Agreement, WindowBits, negotiate};

/// RFC 7692 7.2.1: what a sender removes from the end of a message, and 7.2.2: what a receiver appends again: length
/// and its complement of an empty block without compression.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];
