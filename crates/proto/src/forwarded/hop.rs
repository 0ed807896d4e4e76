//! An entry of a list, and what may be wrong with the list.

use std::fmt;
use std::net::IpAddr;

/// Most entries of a list that are looked at, whatever number of lines they are in.
pub const HOPS_MAX: usize = 64;

/// One entry of a list: whom a proxy got a request from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hop {
    /// This address; IPv4 is never written as IPv6.
    Address(IpAddr),
    /// Somebody whom the proxy does not name: `unknown`, an obfuscated identifier such as `_hidden` (RFC 7239 6.2 and
    /// 6.3), or no `for` at all.
    Hidden,
}

/// What is wrong with a list, as far as it has to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardedError {
    /// An entry does not follow its grammar.
    Malformed,
    /// There are more than [`HOPS_MAX`] entries.
    TooLong,
}

impl fmt::Display for ForwardedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "a list of proxies that is malformed",
            Self::TooLong => "a list of proxies that is too long",
        })
    }
}

impl std::error::Error for ForwardedError {}
