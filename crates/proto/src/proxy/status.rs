//! How far a header is, of either version.

use std::net::SocketAddr;

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

/// Whether the input begins with `signature`, or is the beginning of it.
pub(super) fn begins(input: &[u8], signature: &[u8]) -> bool {
    input.iter().zip(signature).all(|(a, b)| a == b)
}
