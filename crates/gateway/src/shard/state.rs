//! What a shard holds, without its driver and its application: the part that both the loop and the applications work
//! on. Output is queued here ([`replies`](super::replies), [`queue`](super::queue)) and closing begins
//! ([`closing`](super::closing)); sending and closing descriptors is the loop's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_cluster::names::Names;
use holdfast_hub::{Bounds, Members};
use holdfast_proto::{Deflater, Inflater};
use slab::Slab;

use super::clock::Clock;
use super::connection::{CloseRequest, Connection, State, key_of};
use super::handshake::Handshake;
use super::held::Held;
use super::meters::Meters;
use super::names::Teller;
use super::planted::{Planted, is_planted};
use super::policy::Policy;
use super::publication::{Publication, Tally};
use super::reliable::Reliable;
use super::side_tables::SideTables;
use crate::counters::Counters;
use crate::id::Serial;
use crate::observe::access_log::Log;
use crate::quota::{AddressPermit, Quota};
use crate::{ConnectionId, Handle, HandshakeId};

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
    /// Who is in which hub, user and group, and what goes to many and has not reached all yet. Out of its place while
    /// it is worked on.
    pub(super) members: Option<Box<Members<Publication>>>,
    /// How much of that there is.
    pub(super) publications: usize,
    /// Of what offers are in flight.
    pub(super) offered: Vec<Arc<Tally>>,
    /// Connections with something to send, each once.
    pub(super) dirty: VecDeque<u32>,
    /// Closing handshakes that are to begin, a few each turn, so that ten thousand of them hold up nobody.
    pub(super) closing: VecDeque<CloseRequest>,
    /// Compresses for all connections of the shard that have agreed on it.
    pub(super) deflater: Deflater,
    /// Inflates what they send.
    pub(super) inflater: Inflater,
    /// Reliable clients, and what is kept for them.
    pub(super) reliable: Reliable,
    /// Bytes that wait, in all.
    pub(super) held: Held,
    /// Places in the slab that no connection has yet.
    pub(super) reserved: usize,
    /// How many owners its slots have had.
    serial: Serial,
}

impl Core {
    pub(crate) fn new(
        shard: u16,
        handle: Handle,
        counters: Arc<Counters>,
        policy: Policy,
        quota: Arc<Quota>,
    ) -> Self {
        let members = Bounds {
            connections: policy.connections_max,
            groups_per_connection: policy.groups_per_connection_max,
            groups: policy.groups_max,
        };
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
            members: Some(Box::new(Members::tuned(members, policy.broadcasts.line))),
            meters: Meters::new(&policy.rates, policy.connections_max).map(Box::new),
            policy,
            log: None,
            publications: 0,
            offered: Vec::new(),
            dirty: VecDeque::new(),
            closing: VecDeque::new(),
            reliable: Reliable::default(),
            held: Held::default(),
            reserved: 0,
            serial: Serial::default(),
        }
    }

    /// From now on it is said here which hubs, users and groups have members in this shard. Nobody is there yet.
    pub(super) fn tell_names(&mut self, names: Arc<Names>) {
        let teller = Box::new(Teller::new(names, self.shard));
        self.members = self.members.take().map(|members| Box::new(members.watched_by(teller)));
    }

    /// Reaches all shards.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The number of the next owner of whatever slot.
    pub(crate) fn next_owner(&mut self) -> Serial {
        self.serial.next();
        self.serial
    }

    /// A place in the slab for a connection that is still to come, and its id.
    pub(crate) fn reserve(&mut self) -> ConnectionId {
        let owner = self.next_owner();
        let mut connection = Connection::new(owner, self.clock.second(), u32::MAX, None);
        connection.set_state(State::Released);
        let key = key_of(self.connections.insert(connection));
        self.reserved += 1;
        self.id(key)
    }

    /// Gives such a place back: to nobody, or to the next connection, which gets this very place. It had this number.
    pub(crate) fn unreserve(&mut self, id: ConnectionId) -> Serial {
        self.connections.remove(id.key as usize);
        self.reserved -= 1;
        Serial::of(id)
    }

    /// An opening handshake that was put off may take so long from now on.
    pub(crate) fn postpone(&mut self, id: HandshakeId, within: Duration) {
        let deadline = self.clock.second_after(within);
        let found = self.handshakes.get_mut(id.key as usize).filter(|it| it.generation == id.generation);
        found.into_iter().for_each(|handshake| handshake.postpone(deadline));
    }

    /// Connections that are there.
    pub(crate) fn len(&self) -> usize {
        self.connections.len() - self.reserved
    }

    /// A record has a new owner: its address, how long it may stay, buckets that are full, and nothing to hear of
    /// what was published before.
    pub(crate) fn begin_record(&mut self, key: u32, permit: Option<AddressPermit>) {
        if let Some(members) = &mut self.members
            && !is_planted(Planted::HearsThePast)
        {
            members.arrive(key);
        }
        let leave_at =
            self.policy.age.map(|age| self.clock.second_after(age.max) - age.share(self.serial.generation()));
        self.side_tables.begin(key, permit, leave_at);
        if let Some(meters) = &mut self.meters {
            meters.begin(key);
        }
    }

    /// A record is free: its address has a place more, and it is in no hub.
    pub(crate) fn end_record(&mut self, key: u32) {
        if let Some(members) = &mut self.members {
            members.leave(key);
        }
        let block = self.side_tables.end(key);
        self.quota.leave(block);
    }

    /// Bytes that each connection has beside its record.
    pub(crate) fn side_table_bytes(&self) -> usize {
        self.side_tables.bytes_each() + self.meters.as_ref().map_or(0, |meters| meters.bytes_each())
    }

    pub(crate) fn id(&self, key: u32) -> ConnectionId {
        let connection = &self.connections[key as usize];
        ConnectionId { shard: self.shard, epoch: connection.epoch, key, generation: connection.generation }
    }

    /// Whether a connection of this shard has not ended.
    pub(crate) fn is_open(&self, id: ConnectionId) -> bool {
        let it = self.connections.get(id.key as usize);
        it.is_some_and(|it| it.generation == id.generation && it.epoch == id.epoch)
    }

    /// The connection with this id, if it has not ended.
    pub(crate) fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let is_it = |it: &&mut Connection| it.generation == id.generation && it.epoch == id.epoch;
        self.connections.get_mut(id.key as usize).filter(is_it)
    }
}
