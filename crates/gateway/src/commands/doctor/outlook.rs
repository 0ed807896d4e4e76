//! How many connections fit, and what binds in which order.

use super::host::{Host, Privilege};
use crate::limits::{Binding, Bounds, MemoryLimit, NoRoom, Plan, Room, SLOTS_MAX};
use crate::settings::Settings;
use crate::start::Rung;

/// What becomes of the settings on a host.
#[derive(Debug)]
pub(super) struct Outlook {
    pub(super) rung: Rung,
    pub(super) memory: Option<MemoryLimit>,
    pub(super) plan: Option<Plan>,
    /// What the gateway promises at its start.
    pub(super) room: Result<Room, NoRoom>,
    given: Bounds,
    /// What else the host holds.
    of_host: Vec<Bound>,
}

/// One thing that bounds the number of connections.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Bound {
    pub(super) name: String,
    pub(super) connections: u64,
}

/// More than anybody has; a table of that length is not made.
const PLENTY: u64 = 1 << 40;

impl Outlook {
    pub(super) fn new(host: &Host, settings: &Settings) -> Self {
        let (rung, memory) = (host.rung(), host.memory());
        let plan = memory.as_ref().map(|limit| Plan::new(limit.bytes, settings));
        let given = rung.bounds(settings, host.descriptors, plan);
        let of_host = [("fs.file-max", files_left(host)), ("nf_conntrack_max", tracked_max(host))];
        let of_host = of_host
            .into_iter()
            .filter_map(|(name, most)| Some(Bound { name: name.to_owned(), connections: most? }));
        Self { rung, memory, plan, room: Room::new(&given), given, of_host: of_host.collect() }
    }

    /// How many connections fit: none where a gateway does not even start.
    pub(super) fn connections(&self) -> u64 {
        self.room.map_or(0, |room| room.connections)
    }

    /// What binds.
    pub(super) fn binding(&self) -> Binding {
        self.room.map_or(Binding::Descriptors, |room| room.binding)
    }

    /// What bounds the number of connections, the lowest first.
    pub(super) fn bounds(&self) -> Vec<Bound> {
        const PLANNED: [Binding; 4] =
            [Binding::Descriptors, Binding::Memory, Binding::ConnectionsMax, Binding::ShardConnectionsMax];
        let planned = PLANNED.into_iter().filter_map(|binding| {
            Some(Bound { name: binding.to_string(), connections: alone(&self.given, binding)? })
        });
        let mut all: Vec<_> = planned.chain(self.of_host.iter().cloned()).collect();
        // Stable: of equals the one that the gateway names comes first.
        all.sort_by_key(|bound| bound.connections);
        all
    }

    /// What would fit if there were so many descriptors.
    fn with_descriptors(&self, descriptors: u64) -> Option<Room> {
        let direct_table = self.given.direct_table.map(|_| crate::limits::direct_table(descriptors));
        Room::new(&Bounds { descriptors, direct_table, ..self.given }).ok()
    }

    /// The next power of two of descriptors with which they no longer bind; where no number does it, the highest that
    /// helps. `None` where more do not help.
    pub(super) fn descriptors_wanted(&self, now: u64) -> Option<u64> {
        const MOST: u64 = 1 << 30;
        let more =
            std::iter::successors(now.checked_add(1)?.checked_next_power_of_two(), |it| it.checked_mul(2));
        let (mut best, mut fit) = (None, self.connections());
        for descriptors in more.take_while(|it| *it <= MOST) {
            let Some(room) = self.with_descriptors(descriptors) else { continue };
            if room.connections <= fit {
                break;
            }
            (best, fit) = (Some(descriptors), room.connections);
            if room.binding != Binding::Descriptors {
                break;
            }
        }
        best
    }

    /// How many would fit if descriptors did not bind.
    pub(super) fn without_descriptors(&self) -> Option<u64> {
        let others = [Binding::Memory, Binding::ConnectionsMax, Binding::ShardConnectionsMax];
        others.into_iter().filter_map(|binding| alone(&self.given, binding)).min()
    }
}

/// How many fit by one bound alone.
fn alone(given: &Bounds, binding: Binding) -> Option<u64> {
    let free = Bounds { memory_bytes: None, connections_max: None, shard_connections_max: None, ..*given };
    match binding {
        Binding::Descriptors => Some(Room::new(&free).map_or(0, |room| room.connections)),
        Binding::Memory => {
            let memory_bytes = Some(given.memory_bytes?);
            let bounds = Bounds { memory_bytes, descriptors: PLENTY, direct_table: None, ..free };
            Some(Room::new(&bounds).map_or(0, |room| room.connections))
        }
        Binding::ConnectionsMax => given.connections_max,
        Binding::ShardConnectionsMax => {
            let most = given.shard_connections_max?;
            Some(most.min(SLOTS_MAX).saturating_mul(given.shards.into()))
        }
    }
}

/// So many files are no limit: systemd sets the highest number there is.
const UNLIMITED: u64 = 1 << 60;

/// How many files the host has left: each connection is one, with a direct descriptor too.
pub(super) fn files_left(host: &Host) -> Option<u64> {
    // Who may administrate is not bound by it (fs/file_table.c, alloc_empty_file).
    if host.may(Privilege::Administrate) {
        return None;
    }
    let [in_use, _, most] = host.sysctls::<3>("fs/file-nr")?;
    (most < UNLIMITED).then(|| most.saturating_sub(in_use))
}

/// How many connections are tracked at most, where any are.
pub(super) fn tracked_max(host: &Host) -> Option<u64> {
    let tracked = host.sysctl("net/netfilter/nf_conntrack_count")?;
    // 0 is no limit.
    host.sysctl("net/netfilter/nf_conntrack_max").filter(|most| tracked > 0 && *most > 0)
}
