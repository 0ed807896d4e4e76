//! What can be wrong with a PROXY header.

use std::fmt;

/// The peer is no proxy, or sent what it should not. There is nothing to answer: the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyError {
    /// The input does not begin with the signature of either version.
    Missing,
    /// The header is longer than it may be.
    TooLong,
    /// The header does not follow its grammar.
    Malformed,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "no PROXY header",
            Self::TooLong => "a PROXY header that is too long",
            Self::Malformed => "a malformed PROXY header",
        })
    }
}

impl std::error::Error for ProxyError {}
