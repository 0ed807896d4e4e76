//! How many connections fit: the descriptor limit, memory, and what the operator allows.

pub(crate) mod cgroup;
mod descriptors;
mod memory;
pub mod plan;

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use cgroup::Version;
pub(crate) use descriptors::make_room;
pub(crate) use memory::limit_below;
pub use memory::{MemoryLimit, Source, memory_limit};
pub use plan::{CONNECTION_BYTES_MAX, Plan, Shares};

use crate::settings::{Hub, Settings};

/// Most connections of a shard: as many as its connections' names can tell apart.
pub const SLOTS_MAX: u64 = 1 << 26;

/// The process's descriptor limit (RLIMIT_NOFILE, getrlimit(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorLimit {
    /// The soft limit at start.
    pub was: u64,
    /// The soft limit now.
    pub now: u64,
}

impl fmt::Display for DescriptorLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.was == self.now {
            true => write!(f, "descriptor limit {}", self.now),
            false => write!(f, "descriptor limit raised from {} to {}", self.was, self.now),
        }
    }
}

/// Raises the soft descriptor limit to the hard one, which any process may do, and says what it is now. Where the
/// kernel refuses, it stays as it was.
pub fn raise_descriptor_limit() -> DescriptorLimit {
    let limit = getrlimit(Resource::Nofile);
    let was = limit.current.unwrap_or(u64::MAX);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let now = if raised.is_ok() { limit.maximum.unwrap_or(u64::MAX) } else { was };
    DescriptorLimit { was, now }
}

/// The most descriptors a ring's own table can have (IORING_MAX_FIXED_FILES, Linux 5.18 and newer).
pub const DIRECT_TABLE_MAX: u64 = 1 << 20;

/// How large to make each ring's own descriptor table: as the descriptor limit, which the kernel demands
/// (io_uring_register(2), EMFILE), and no larger than a table can be.
pub fn direct_table(descriptor_limit: u64) -> u64 {
    descriptor_limit.min(DIRECT_TABLE_MAX)
}

/// Descriptors kept for the process: standard streams, logs, the control thread's own, connections of the admin server.
const RESERVE_PROCESS: u64 = 64;
/// Most of them that the admin server's connections may have.
pub(crate) const ADMIN_DESCRIPTORS_MAX: usize = 32;
/// Descriptors kept per shard besides its listening sockets: ring or epoll, its timer, wake-up, one spare, and eight
/// sockets that are accepted only to be answered 503.
const RESERVE_SHARD: u64 = 12;

/// Of the descriptors at most one in this many is kept for REST and services, however many they may take: where they
/// find none, requests to services are repeated and REST waits in the kernel's queue.
const SERVICES_PART: u64 = 4;

/// How many descriptors REST and services may take: none without hubs.
#[must_use]
pub fn service_descriptors(settings: &Settings) -> u64 {
    if settings.hubs.is_empty() {
        return 0;
    }
    let rest = &settings.rest;
    let places = rest.addresses.len() as u64 + u64::from(rest.on_listen);
    let listening = rest.addresses.len() as u64;
    let of_hub = |hub: &Hub| {
        let events = hub.handlers.len() as u64 * u64::from(hub.settings.events_under_way_max);
        // One fetches keys. A listener has a connection, and another while it goes to another server.
        events + u64::from(hub.settings.identity.is_some()) + 2 * hub.listeners.len() as u64
    };
    let services: u64 = settings.hubs.iter().map(of_hub).fold(0, u64::saturating_add);
    (places * u64::from(settings.rest_connections_max)).saturating_add(listening).saturating_add(services)
}

/// What bounds the number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Shards, at least 1.
    pub shards: u16,
    /// Listening sockets per shard.
    pub listeners: u32,
    /// Descriptors that REST and services may take: [`service_descriptors`].
    pub services: u64,
    /// Soft RLIMIT_NOFILE.
    pub descriptors: u64,
    /// Length of each ring's own descriptor table; `None` where connections keep descriptors of the process.
    pub direct_table: Option<u64>,
    /// Memory that is planned for connections: [`Plan::connections`].
    pub memory_bytes: Option<u64>,
    /// What one of them costs, kernel and process together.
    pub connection_bytes: u64,
    /// The setting connections-max.
    pub connections_max: Option<u64>,
    /// The setting shard-connections-max.
    pub shard_connections_max: Option<u64>,
    /// The setting handshakes-max, or less where memory is little.
    pub handshakes_max: u32,
}

/// What binds first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// RLIMIT_NOFILE.
    Descriptors,
    /// The machine's or the cgroup's memory.
    Memory,
    /// The setting connections-max.
    ConnectionsMax,
    /// The setting shard-connections-max.
    ShardConnectionsMax,
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Descriptors => "descriptor limit",
            Self::Memory => "memory",
            Self::ConnectionsMax => "connections-max",
            Self::ShardConnectionsMax => "shard-connections-max",
        })
    }
}

/// How many connections fit, and how they are shared out.
///
/// With descriptors of the process, the shards share one table: each may hold an equal part of what is left after the
/// reserve. With direct descriptors each shard may fill a table of its own, and since SO_REUSEPORT spreads unevenly the
/// number promised is 1.05 times smaller than the sum. Where connections-max or memory binds, each shard holds an equal
/// part of that. A shard that is full hands over to the emptiest, so that the parts add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many fit, in all: a round number below the bound, exact where connections-max binds.
    pub connections: u64,
    /// What binds.
    pub binding: Binding,
    /// How many opening handshakes a shard may have under way: handshakes-max, or less where descriptors are few.
    pub handshakes_per_shard: u32,
    /// How many of a shard's connections keep descriptors of the process where there are direct ones: half of this
    /// shard's share of normal descriptors, minus handshakes. The other half is for peers that wait, and for those
    /// that other shards hand over.
    pub normal_per_shard: u32,
    shards: u64,
    /// Soft RLIMIT_NOFILE.
    descriptors_max: u64,
    /// Descriptors that are kept for other things than peers.
    reserve: u64,
    /// Whether what is beyond `normal_per_shard` has direct descriptors.
    direct: bool,
    /// The sum of the shards' parts.
    shared: u64,
    /// The most that one shard may hold.
    table: u64,
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "room for {} connections ({})", self.connections, self.binding)
    }
}

impl Room {
    /// Works out how many connections fit.
    ///
    /// # Errors
    ///
    /// Where the descriptor limit leaves less than one connection and one opening handshake per shard.
    pub fn new(bounds: &Bounds) -> Result<Self, NoRoom> {
        let shards = u64::from(bounds.shards.max(1));
        let services = bounds.services.min(bounds.descriptors / SERVICES_PART);
        let reserve = RESERVE_PROCESS + services + shards * (RESERVE_SHARD + u64::from(bounds.listeners));
        let left = bounds.descriptors.saturating_sub(reserve);
        if left < shards {
            return Err(NoRoom { descriptors: bounds.descriptors, needed: reserve + shards, shards });
        }
        let table = bounds.direct_table.unwrap_or(left);
        let (fit, promised) = match bounds.direct_table {
            Some(table) => (shards * table, round_down(shards * table * 100 / 105, 2)),
            None => (left, round_down(left, 3)),
        };
        let memory = bounds.memory_bytes.map(|bytes| bytes / bounds.connection_bytes.max(1));

        let part = u32::try_from(left / shards).unwrap_or(u32::MAX);
        let handshakes_per_shard = part.min(bounds.handshakes_max);

        let mut room = Self {
            connections: promised,
            binding: Binding::Descriptors,
            handshakes_per_shard,
            normal_per_shard: (part - handshakes_per_shard) / 2,
            shards,
            descriptors_max: bounds.descriptors,
            reserve,
            direct: bounds.direct_table.is_some(),
            shared: fit,
            table,
        };
        if let Some(memory) = memory.filter(|memory| round_down(*memory, 2) < room.connections) {
            room.bind(Binding::Memory, round_down(memory, 2).max(shards));
        }
        if let Some(most) = bounds.connections_max.filter(|most| *most < room.connections) {
            room.bind(Binding::ConnectionsMax, most);
        }
        let most = bounds.shard_connections_max.unwrap_or(SLOTS_MAX).min(SLOTS_MAX);
        room.table = room.table.min(most);
        let all = most.saturating_mul(shards);
        if all < room.connections {
            room.bind(Binding::ShardConnectionsMax, all);
        }
        Ok(room)
    }

    fn bind(&mut self, binding: Binding, connections: u64) {
        self.binding = binding;
        self.connections = connections;
        self.shared = connections;
    }

    /// How many descriptors the process has when it is full.
    pub fn descriptors(&self) -> u64 {
        let normal = self.shards.saturating_mul(u64::from(self.normal_per_shard));
        let held = if self.direct { normal.min(self.connections) } else { self.connections };
        let handshakes = self.shards.saturating_mul(u64::from(self.handshakes_per_shard));
        self.descriptors_max.min(self.reserve + handshakes + held)
    }

    /// How many connections the shard with this index may hold: the capacity of its slab.
    pub fn shard_max(&self, index: u16) -> u32 {
        let extra = u64::from(u64::from(index) < self.shared % self.shards);
        let share = (self.shared / self.shards + extra).min(self.table);
        u32::try_from(share).unwrap_or(u32::MAX)
    }
}

/// Replaces all but the first `digits` decimal digits by zeros.
fn round_down(number: u64, digits: u32) -> u64 {
    let length = number.checked_ilog10().map_or(1, |log| log + 1);
    let unit = 10_u64.pow(length.saturating_sub(digits));
    number / unit * unit
}

/// The descriptor limit is too low to hold anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom {
    descriptors: u64,
    needed: u64,
    shards: u64,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptors, needed, shards } = self;
        write!(
            f,
            "the descriptor limit ({descriptors}) leaves no room for connections (shards is {shards}): raise it to \
             at least {needed} (ulimit -n, LimitNOFILE=, --ulimit nofile=), or lower shards"
        )
    }
}

impl std::error::Error for NoRoom {}

#[cfg(test)]
mod tests;
