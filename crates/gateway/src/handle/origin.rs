//! Whose connection one is, as it goes along with a connection that leaves its shard and comes back.

use std::net::IpAddr;

use crate::quota::AddressPermit;

/// Who is at the other end of a connection, as far as that is known. Only a shard makes one: what a client can say of
/// itself is not believed because its connection has been somewhere else.
#[derive(Debug, Default)]
pub struct Origin {
    /// Nobody on a Unix socket, where no one needs to know, and where a proxy does not say.
    pub(crate) address: Option<IpAddr>,
    /// One of the address's places for connections, if they are counted.
    pub(crate) permit: Option<AddressPermit>,
    /// It is a trusted proxy, and the header of each request says for whom.
    pub(crate) speaks_for_another: bool,
    /// Its opening handshake was counted toward handshakes-per-second-max.
    pub(crate) is_counted: bool,
}

impl Origin {
    /// The client's address, as [`Opening::address`](crate::Opening::address). `None`, too, where it is a trusted proxy
    /// that speaks for many: the header of its request says for whom (setting `forwarded`).
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address.filter(|_| !self.speaks_for_another)
    }
}
