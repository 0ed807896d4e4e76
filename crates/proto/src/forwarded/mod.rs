//! Who is behind proxies that pass on requests and say for whom: X-Forwarded-For, and Forwarded (RFC 7239).
//!
//! Each proxy adds the address that a request came to it from at the end of a list. So the end was written by the proxy
//! that is connected, and what lies before it by whoever that proxy names: it is believed only if that one is trusted
//! too. RFC 7239 8.1: the header "cannot be relied upon to be correct, as it may be modified, whether mistakenly or for
//! malicious reasons, by every node on the way to the server, including the client making the request."

mod hop;
mod node;
mod pairs;

use std::net::IpAddr;

pub use hop::{ForwardedError, HOPS_MAX, Hop};

use crate::handshake::lists::trim;

/// The header in which proxies name those for whom they speak. Only one is ever read: a client could send the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardedHeader {
    /// Addresses separated by commas, with or without a port. No standard; MDN and the documentation of proxies agree.
    XForwardedFor,
    /// RFC 7239 section 4. Of its parameters only `for` is read.
    Forwarded,
}

impl ForwardedHeader {
    /// The name of the header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "X-Forwarded-For",
            Self::Forwarded => "Forwarded",
        }
    }
}

/// Whom the last proxy of a chain speaks for: of the entries in `lines`, from the right, the first that `trusts` does
/// not hold for; the leftmost if it holds for all of them. Nobody, if there are no entries.
///
/// `lines` are the values of all header lines of that name in the order they came (RFC 9110 5.3: they are one list).
/// Call it only for a peer that is trusted itself. Whatever a client has put to the left of the entry that names it
/// changes nothing, with two exceptions that are errors: more entries than [`HOPS_MAX`], and, in the very line that a
/// proxy adds to, a Forwarded element that is malformed, since nobody could say where the next one begins. Nothing is
/// allocated.
///
/// # Errors
/// When the list is too long, or the entry that counts is malformed.
pub fn forwarded_client<'b>(
    header: ForwardedHeader,
    lines: impl Iterator<Item = &'b [u8]>,
    trusts: impl Fn(IpAddr) -> bool,
) -> Result<Option<Hop>, ForwardedError> {
    let mut walk = Walk { client: None, count: 0, trusts };
    for line in lines {
        match header {
            ForwardedHeader::XForwardedFor => addresses(line).try_for_each(|hop| walk.pass(hop))?,
            ForwardedHeader::Forwarded => pairs::Elements::new(line).try_for_each(|hop| walk.pass(hop))?,
        }
    }
    walk.client.transpose()
}

/// The entries of an X-Forwarded-For line. Empty ones are ignored (RFC 9110 5.6.1.2); quotes have no meaning in it.
fn addresses(line: &[u8]) -> impl Iterator<Item = Result<Hop, ForwardedError>> {
    let entries = line.split(|byte| *byte == b',').map(trim).filter(|entry| !entry.is_empty());
    entries.map(|entry| node::address_or_node(entry).ok_or(ForwardedError::Malformed))
}

/// The same walk from left to right: each entry that is not trusted takes the place of what came before it.
struct Walk<T> {
    client: Option<Result<Hop, ForwardedError>>,
    count: usize,
    trusts: T,
}

impl<T: Fn(IpAddr) -> bool> Walk<T> {
    fn pass(&mut self, hop: Result<Hop, ForwardedError>) -> Result<(), ForwardedError> {
        self.count += 1;
        if self.count > HOPS_MAX {
            return Err(ForwardedError::TooLong);
        }
        let trusted = matches!(hop, Ok(Hop::Address(address)) if (self.trusts)(address));
        if !trusted || self.client.is_none() {
            self.client = Some(hop);
        }
        Ok(())
    }
}
