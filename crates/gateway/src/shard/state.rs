//! What a shard holds, without its driver and its application: the part that both the loop and the applications work
//! on. Output is queued here ([`replies`](super::replies), [`queue`](super::queue)) and closing begins
//! ([`closing`](super::closing)); sending and closing descriptors is the loop's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use holdfast_proto::{Deflater, Inflater};
use slab::Slab;

use super::clock::Clock;
use super::connection::{CloseRequest, Connection};
use super::cursors::Broadcasts;
use super::handshake::Handshake;
use super::held::Held;
use super::meters::Meters;
use super::policy::Policy;
use super::side_tables::SideTables;
use crate::counters::Counters;
use crate::observe::access_log::Log;
use crate::quota::{AddressPermit, Quota};
use crate::{ConnectionId, Handle};

/// The state of a shard.
#[derive(Debug)]
pub(crate) struct Core {
    pub(super) shard: u16,
    pub(super) handle: Handle,
    pub(super) counters: Arc<Counters>,
    pub(super) policy: Policy,
    pub(super) clock: Clock,
    pub(super) connections: Slab<Connection>,
    pub(super) handshakes: Slab<Handshake>,
    /// What is counted over all shards.
    pub(super) quota: Arc<Quota>,
    /// What limits need to know of each connection.
    pub(super) side_tables: SideTables,
    /// What connections have sent lately, where that is limited.
    pub(super) meters: Option<Box<Meters>>,
    /// The access log, where there is one.
    pub(super) log: Option<Box<Log>>,
    /// What goes to everybody and has not reached all yet.
    pub(super) broadcasts: Broadcasts,
    /// Connections with something to send, each once.
    pub(super) dirty: VecDeque<u32>,
    /// Closing handshakes that are to begin, a few each turn, so that ten thousand of them hold up nobody.
    pub(super) closing: VecDeque<CloseRequest>,
    /// Compresses for all connections of the shard that have agreed on it.
    pub(super) deflater: Deflater,
    /// Inflates what they send.
    pub(super) inflater: Inflater,
    /// Bytes that wait, in all.
    pub(super) held: Held,
    generation: u32,
}

impl Core {
    pub(crate) fn new(
        shard: u16,
        handle: Handle,
        counters: Arc<Counters>,
        policy: Policy,
        quota: Arc<Quota>,
    ) -> Self {
        Self {
            shard,
            handle,
            counters,
            clock: Clock::start(Instant::now()),
            // Reserved for the most there can be: growth would copy all records and, for a while, hold them twice.
            connections: Slab::with_capacity(policy.connections_max as usize),
            handshakes: Slab::with_capacity(policy.handshake_slots() as usize),
            deflater: Deflater::new(policy.deflate.level),
            inflater: Inflater::new(),
            side_tables: SideTables::new(&policy, &quota),
            quota,
            meters: Meters::new(&policy.rates, policy.connections_max).map(Box::new),
            policy,
            log: None,
            broadcasts: Broadcasts::default(),
            dirty: VecDeque::new(),
            closing: VecDeque::new(),
            held: Held::default(),
            generation: 0,
        }
    }

    /// Reaches all shards.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// A generation for the next owner of whatever slot.
    pub(crate) fn next_generation(&mut self) -> u32 {
        self.generation = holdfast_ring::Token::next_generation(self.generation);
        self.generation
    }

    /// A record has a new owner: its address, how long it may stay, buckets that are full, and no broadcast to come.
    pub(crate) fn begin_record(&mut self, key: u32, permit: Option<AddressPermit>) {
        self.connections[key as usize].marks.set_broadcast(self.broadcasts.newest());
        let leave_at =
            self.policy.age.map(|age| self.clock.second_after(age.max) - age.share(self.generation));
        self.side_tables.begin(key, permit, leave_at);
        if let Some(meters) = &mut self.meters {
            meters.begin(key);
        }
    }

    /// A record is free: its address has a place more.
    pub(crate) fn end_record(&mut self, key: u32) {
        let block = self.side_tables.end(key);
        self.quota.leave(block);
    }

    /// Bytes that each connection has beside its record.
    pub(crate) fn side_table_bytes(&self) -> usize {
        self.side_tables.bytes_each() + self.meters.as_ref().map_or(0, |meters| meters.bytes_each())
    }

    pub(crate) fn id(&self, key: u32) -> ConnectionId {
        ConnectionId { shard: self.shard, key, generation: self.connections[key as usize].generation }
    }

    /// The connection with this key and generation, if it is still that one.
    pub(crate) fn connection(&mut self, key: u32, generation: u32) -> Option<&mut Connection> {
        self.connections.get_mut(key as usize).filter(|connection| connection.generation == generation)
    }
}
