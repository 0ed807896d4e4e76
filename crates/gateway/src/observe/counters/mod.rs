//! What a shard counts: plain numbers that one thread writes and a scrape reads.
//!
//! Each shard has a [`Counters`] of its own. Only the shard's thread writes it, so an increment is a load and a store,
//! not a locked instruction; whoever scrapes sums over the shards. Each counter is declared once, in the table of all
//! metrics: there it gets its field, its name, its labels and its HELP.

pub mod answers;
mod cluster;
mod count;
mod declare;
mod deflate;
mod histogram;
pub mod hub_limits;
mod hubs;
mod labels;
mod limit_rows;
mod table;

pub use cluster::ClusterCounters;
pub use count::Count;
pub use declare::{Family, Kind};
pub(crate) use declare::{Over, Sample};
pub use deflate::DeflateCounters;
pub use histogram::Histogram;
pub use hubs::{EVENT_BOUNDS, HubCounters, HubCounts, RestCounts, RestLabels};
pub use labels::{
    CloseCode, CloseReason, EventKind, EventOutcome, HandshakeOutcome, HubLimit, Limit, TokenOutcome,
};
pub use limit_rows::{Bound, Row};
pub use table::{Counters, HANDSHAKE_BOUNDS, TURN_BOUNDS};
