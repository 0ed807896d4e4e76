//! What a shard knows of one connection, for whoever looks.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::connection::State;
use super::state::Core;
use crate::ConnectionId;
use crate::quota::NOBODY;

/// A connection as its shard knows it at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glimpse {
    /// It is not open any more: its closing handshake has begun.
    pub(crate) is_closing: bool,
    /// It is reliable and has lost its socket: it may come back.
    pub(crate) is_away: bool,
    /// How many messages are kept for it, if it is reliable.
    pub(crate) unacknowledged: Option<usize>,
    /// It is not read from: its application wants nothing more from it for now.
    pub(crate) is_paused: bool,
    /// Its messages may be compressed.
    pub(crate) is_compressed: bool,
    /// Whole seconds since something was heard of it.
    pub(crate) silent_s: u32,
    /// What waits to be sent to it, with what each frame takes besides.
    pub(crate) outbox_bytes: usize,
    /// The address that it counts for, without what is behind the prefix; where addresses are counted.
    pub(crate) address: Option<IpAddr>,
    /// What went over it; where the access log tells of it.
    pub(crate) visit: Option<Passed>,
}

/// What went over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) open: Duration,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) messages_in: u64,
    pub(crate) messages_out: u64,
}

impl Core {
    /// A connection of this shard, if it has not ended.
    pub(super) fn glimpse(&self, id: ConnectionId) -> Option<Glimpse> {
        let connection = self.connections.get(id.key as usize).filter(|_| self.is_open(id))?;
        let block = self.side_tables.block(id.key);
        let visit = self.log.as_ref().and_then(|log| log.visits.get(&id.key));
        Some(Glimpse {
            is_closing: !matches!(connection.state(), State::Open | State::Away),
            is_away: connection.state() == State::Away,
            unacknowledged: connection.is_reliable().then(|| self.reliable.unacknowledged(id.key)),
            is_paused: connection.is_paused(),
            is_compressed: connection.marks.window().is_some(),
            silent_s: self.clock.second().saturating_sub(connection.last_heard),
            outbox_bytes: connection.outbox_bytes(),
            address: (block != NOBODY).then(|| IpAddr::V6(Ipv6Addr::from(block)).to_canonical()),
            visit: visit.map(|visit| Passed {
                open: self.clock.now().saturating_duration_since(visit.since),
                bytes_in: visit.bytes_in,
                bytes_out: visit.bytes_out,
                messages_in: visit.messages_in,
                messages_out: visit.messages_out,
            }),
        })
    }
}
