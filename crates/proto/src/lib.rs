//! The server's side of the WebSocket protocol (RFC 6455), on borrowed bytes.
//!
//! Nothing here reads, writes, waits or knows the time: bytes that arrived go in, what they mean comes out.
//!
//! - [`handshake`]: the opening handshake, [`parse_head`] to [`write_accept`] or [`write_refusal`].
//! - [`proxy`]: the header that a proxy puts before a connection's bytes; [`forwarded`]: those it adds to a request.
//! - [`Receiver`]: one connection's input. A frame that lies whole in the caller's buffer is unmasked where it
//!   lies and is not copied; only a frame cut by the end of a read, or a fragmented message, is stored.
//! - [`frame()`], [`write_header`], [`CloseFrame`]: what the server sends.
//! - [`deflate`]: permessage-deflate (RFC 7692), agreed on, taken off and put on.
#![forbid(unsafe_code)]

mod close;
pub mod deflate;
mod error;
pub mod forwarded;
mod frame;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod handshake;
pub mod proxy;
mod receive;

pub use close::{CLOSE_REASON_LEN_MAX, CloseFrame, answer_code, encode_close, valid_close_code};
pub use deflate::{Deflater, Inflater, WindowBits};
pub use error::ProtocolError;
pub use frame::{CONTROL_PAYLOAD_LEN_MAX, HEADER_LEN_MAX, Opcode, frame, header_len, unmask, write_header};
pub use handshake::{
    AcceptKey, HandshakeError, HeadLimits, HeadStatus, Request, parse_head, write_accept, write_refusal,
};
pub use receive::{Assembled, Limits, MessageKind, Payload, Receiver, Step};
