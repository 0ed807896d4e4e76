//! Whom a peer's connection is for: the address that limits count and applications see.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use holdfast_proto::Request;
use holdfast_proto::forwarded::{Hop, forwarded_client};
use holdfast_ring::Driver;
use rustix::net::getpeername;

use super::refusal::Refused;
use crate::application::Application;
use crate::counters::Limit;
use crate::handle::Origin;
use crate::quota::AddressPermit;
use crate::shard::Shard;

impl<D: Driver, A: Application> Shard<D, A> {
    /// The address of a peer, where somebody needs to know.
    pub(super) fn address_of(&self, descriptor: &OwnedFd) -> Option<IpAddr> {
        let policy = &self.core.policy;
        let needed = policy.proxy_protocol
            || policy.forwarded.is_some()
            || self.core.quota.counts_addresses()
            || self.core.log.is_some()
            || self.application.wants_addresses();
        let address = needed.then(|| getpeername(descriptor).ok().flatten())??;
        SocketAddr::try_from(address).ok().map(|address| address.ip().to_canonical())
    }

    /// Whether a peer may connect at all: where proxies are to say for whom they do, only they may.
    pub(super) fn may_connect(&self, address: Option<IpAddr>) -> bool {
        !self.core.policy.proxy_protocol || self.core.policy.trusts(address)
    }

    /// Counts a peer for its address, unless it is a proxy whose request will name another.
    pub(super) fn identify(&self, address: Option<IpAddr>) -> Result<Origin, Limit> {
        let origin = self.origin_of(address);
        let permit = if origin.speaks_for_another { None } else { self.enter(address)? };
        Ok(Origin { permit, ..origin })
    }

    /// Whose a connection from this address is, who is not counted.
    pub(super) fn origin_of(&self, address: Option<IpAddr>) -> Origin {
        let speaks_for_another = self.core.policy.forwarded.is_some() && self.core.policy.trusts(address);
        Origin { address, speaks_for_another, ..Origin::default() }
    }

    /// Counts what has turned out to be an opening handshake, where it may have been a request, which counts as none.
    pub(super) fn count_opening(&mut self, key: usize, request: &Request<'_>) -> Result<(), Limit> {
        // One that was turned away before it could be counted.
        let was_turned_away = self.core.handshakes[key].refusal().is_some();
        if !self.application.takes_requests() && !was_turned_away {
            return Ok(());
        }
        let origin = &self.core.handshakes[key].origin;
        if origin.permit.is_none() {
            let permit = self.enter_for(key, origin.address, request)?;
            self.core.handshakes[key].origin.permit = permit;
        }
        // One that was sent here by another shard was counted there.
        if !std::mem::replace(&mut self.core.handshakes[key].origin.is_counted, true) {
            self.core.quota.begin_handshake(self.core.clock.now())?;
        }
        Ok(())
    }

    /// The same for whoever sends this request. One that recovers a connection may go on without: that may be what has
    /// the last place, and it becomes no other.
    fn enter_for(
        &mut self,
        key: usize,
        address: Option<IpAddr>,
        request: &Request<'_>,
    ) -> Result<Option<AddressPermit>, Limit> {
        let entered = self.enter(address);
        if let Err(limit) = &entered
            && self.application.may_recover(request)
            && self.turn_away_later(key, *limit)
        {
            return Ok(None);
        }
        entered
    }

    fn enter(&self, address: Option<IpAddr>) -> Result<Option<AddressPermit>, Limit> {
        address.map_or(Ok(None), |address| self.core.quota.enter(address))
    }

    /// Finds out for whom a trusted proxy sends a request, and counts it for that address. Without the header the proxy
    /// speaks for itself.
    pub(super) fn ask_whom_for(&mut self, key: usize, request: &Request<'_>) -> Result<(), Refused> {
        let origin = &mut self.core.handshakes[key].origin;
        let Some(header) = self.core.policy.forwarded else { return Ok(()) };
        if !std::mem::take(&mut origin.speaks_for_another) {
            return Ok(());
        }
        let lines = request.headers().filter(|(name, _)| name.eq_ignore_ascii_case(header.name()));
        let trusts = |address| self.core.policy.trusts(Some(address));
        let address = match forwarded_client(header, lines.map(|(_, value)| value), trusts)? {
            Some(Hop::Address(address)) => Some(address),
            Some(Hop::Hidden) => None,
            None => origin.address,
        };
        let permit = self.enter_for(key, address, request)?;
        let origin = &mut self.core.handshakes[key].origin;
        (origin.address, origin.permit) = (address, permit);
        Ok(())
    }
}
