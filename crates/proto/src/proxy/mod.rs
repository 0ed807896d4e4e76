//! The PROXY protocol, versions 1 and 2: who is behind a proxy that passes on the bytes of a connection unread.
//!
//! Source: HAProxy, "The PROXY protocol, versions 1 & 2" (proxy-protocol.txt, 2020/03/05). Only the source address is
//! read. Extensions (TLVs) are skipped, PP2_TYPE_CRC32C among them: TCP has checked the bytes already, and a sender
//! that must be trusted anyway needs no second check.

mod error;
mod status;
mod v1;
mod v2;

pub use error::ProxyError;
pub use status::ProxyStatus;
pub use v1::V1_LEN_MAX;
pub use v2::V2_LEN_MAX;

/// Reads a PROXY header. `input` is everything received so far, from the first byte.
///
/// The verdict does not depend on how the input was cut into reads; at most [`V1_LEN_MAX`] or [`V2_LEN_MAX`] bytes are
/// looked at. Nothing is allocated.
///
/// # Errors
///
/// When the input does not begin with a header, or with a malformed or too long one. "The receiver MUST NOT try to
/// guess whether the protocol header is present or not" (section 2): the connection is to be closed.
pub fn parse_proxy(input: &[u8]) -> Result<ProxyStatus, ProxyError> {
    match input.first() {
        None => Ok(ProxyStatus::NeedMore),
        Some(b'P') => v1::parse(input),
        Some(_) => v2::parse(input),
    }
}
