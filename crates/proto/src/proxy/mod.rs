//! The PROXY protocol, versions 1 and 2: who is behind a proxy that passes on the bytes of a connection unread.
//!
//! Source: HAProxy, "The PROXY protocol, versions 1 & 2" (proxy-protocol.txt, 2020/03/05). Only the source address is
//! read. Extensions (TLVs) are skipped, PP2_TYPE_CRC32C among them: TCP has checked the bytes already, and a sender
//! that must be trusted anyway needs no second check.

mod error;
mod v1;
mod v2;

use std::net::SocketAddr;

pub use error::ProxyError;
pub use v1::V1_LEN_MAX;
pub use v2::V2_LEN_MAX;

/// How far a PROXY header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyStatus {
    /// So far it is well-formed, but not all there.
    NeedMore,
    /// The header is whole.
    Complete {
        /// Who connected to the proxy. Nobody where the proxy speaks for itself (v2 LOCAL, as in its health checks) or
        /// cannot say (v1 UNKNOWN, v2 UNSPEC, a Unix socket): the address of the socket counts then.
        source: Option<SocketAddr>,
        /// Bytes of the header; what follows in the input is the peer's.
        header_len: usize,
    },
}

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

/// Whether the input begins with `signature`, or is the beginning of it.
fn begins(input: &[u8], signature: &[u8]) -> bool {
    input.iter().zip(signature).all(|(a, b)| a == b)
}
