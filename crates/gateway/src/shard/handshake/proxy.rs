//! Peers behind a proxy that says who they are, before anything of their own.

use std::net::IpAddr;

use holdfast_proto::proxy::{ProxyError, ProxyStatus, parse_proxy};
use holdfast_ring::{Close, Driver};

use super::record::{Expects, Stage};
use crate::application::Application;
use crate::counters::HandshakeOutcome;
use crate::handle::Origin;
use crate::shard::Shard;

impl<D: Driver, A: Application> Shard<D, A> {
    /// Looks at all that came of a PROXY header so far.
    pub(super) fn read_proxy_header(&mut self, key: usize, input: &mut [u8]) {
        match parse_proxy(input) {
            Ok(ProxyStatus::NeedMore) => self.read_on(key, input),
            Ok(ProxyStatus::Complete { source, header_len }) => {
                if let Stage::Reading(reading) = &mut self.core.handshakes[key].stage {
                    reading.expects = Expects::Head;
                }
                let rest = &mut input[header_len..];
                if self.count_client(key, source.map(|source| source.ip().to_canonical())) {
                    self.read_head(key, rest);
                }
            }
            Err(error) => self.give_up_proxy(key, error),
        }
    }

    /// Counts a client whose proxy has named it. Whether it may go on. If the proxy gives no client, its other headers
    /// are not trusted either.
    fn count_client(&mut self, key: usize, address: Option<IpAddr>) -> bool {
        if self.core.handshakes[key].refusal().is_some() {
            // It takes no place, and may be logged, or turn out to be a request.
            self.core.handshakes[key].origin =
                address.map_or_else(Origin::default, |address| self.origin_of(Some(address)));
            return true;
        }
        match address.map_or(Ok(Origin::default()), |address| self.identify(Some(address))) {
            Ok(origin) => {
                self.core.handshakes[key].origin = origin;
                true
            }
            Err(limit) if self.turn_away_later(key, limit) => {
                // It may recover a connection that has its address's last place.
                self.core.counters.limit(limit);
                self.core.handshakes[key].origin = self.origin_of(address);
                true
            }
            Err(limit) => {
                self.refuse_for(key, limit);
                false
            }
        }
    }

    /// There is nobody to answer: what the other end speaks is not known.
    fn give_up_proxy(&mut self, key: usize, error: ProxyError) {
        tracing::debug!(%error, "a trusted proxy did not begin as it should");
        self.end_handshake(key, HandshakeOutcome::ProxyHeader, None);
        self.release_handshake(key, Close::Reset);
    }
}
