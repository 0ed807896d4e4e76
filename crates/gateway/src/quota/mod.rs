//! How much each may have: rates, and what is counted over all shards.

mod addresses;
mod nanos;
mod rate;
mod users;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use addresses::{AddressPermit, Block, NOBODY};
pub(crate) use nanos::nanos;
pub(crate) use rate::{Bucket, Rate, SharedBucket};
pub(crate) use users::{PerUser, UserPermit, Users};

use crate::counters::Limit;
use crate::settings::Settings;
use addresses::{Addresses, Prefixes};

/// What all shards have in common. What is not limited costs nothing.
#[derive(Debug)]
pub(crate) struct Quota {
    start: Instant,
    handshakes: Option<SharedBucket>,
    addresses: Option<Arc<Addresses>>,
}

impl Quota {
    pub(crate) fn new(settings: &Settings, start: Instant) -> Self {
        // A second ahead: what may come at once is what may come in a second.
        let bucket = |rate: u64| SharedBucket::new(Rate::new(rate, Duration::from_secs(1)));
        let prefixes = Prefixes { ipv4: settings.address_prefix_ipv4, ipv6: settings.address_prefix_ipv6 };
        Self {
            start,
            handshakes: settings.handshakes_per_second_max.map(bucket),
            addresses: settings.address_connections_max.map(|most| Arc::new(Addresses::new(most, prefixes))),
        }
    }

    /// Whether connections are counted by address.
    pub(crate) fn counts_addresses(&self) -> bool {
        self.addresses.is_some()
    }

    /// Counts a peer whose address is known: it holds the place until it is no connection any more, or never became
    /// one.
    ///
    /// # Errors
    /// When its address has as many connections as it may.
    pub(crate) fn enter(&self, address: IpAddr) -> Result<Option<AddressPermit>, Limit> {
        let Some(addresses) = &self.addresses else { return Ok(None) };
        addresses.enter(address).map(Some).ok_or(Limit::AddressConnections)
    }

    /// Whether a connection with this place is of this address.
    pub(crate) fn is_of(&self, block: Block, address: IpAddr) -> bool {
        self.addresses.as_ref().is_some_and(|addresses| addresses.block(address) == block)
    }

    /// Gives back the place of a connection.
    pub(crate) fn leave(&self, block: Block) {
        if let Some(addresses) = &self.addresses {
            addresses.leave(block);
        }
    }

    /// Counts an opening handshake.
    ///
    /// # Errors
    /// When there were as many in the last second as there may be.
    pub(crate) fn begin_handshake(&self, now: Instant) -> Result<(), Limit> {
        let now = nanos(now.saturating_duration_since(self.start));
        let within = self.handshakes.as_ref().is_none_or(|bucket| bucket.take(now));
        if within { Ok(()) } else { Err(Limit::HandshakeRate) }
    }
}
