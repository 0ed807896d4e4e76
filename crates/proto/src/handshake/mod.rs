//! The opening handshake (RFC 6455 section 4): an HTTP/1.1 GET that asks for an upgrade, and its answer.

mod error;
mod fields;
mod head;
pub(crate) mod lists;
mod plain;
mod request;
mod request_line;
mod response;
mod target;

pub use error::HandshakeError;
pub use head::{HEADERS_MAX, HeadLimits, HeadStatus, RequestStatus, parse_head, parse_request};
pub use plain::{PlainRequest, write_healthy};
pub use request::{AcceptKey, Extension, Request};
pub use request_line::{RequestLine, begun_request_line, parse_request_line};
pub use response::{is_token, write_accept, write_refusal};
