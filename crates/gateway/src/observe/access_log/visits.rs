//! Of which connections a shard logs, and what it keeps of them meanwhile.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Instant;

use super::entry::Entry;
use crate::observe::lines;

/// Where shards put entries.
pub(crate) type Sink = lines::Sink<Entry>;

/// The log, where there is one.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) sink: Sink,
    /// Of so many opening handshakes one is logged.
    one_of: u32,
    /// With a key of its own in each process: nobody can choose to be left out.
    hasher: RandomState,
    /// Of each connection that is logged, by its key.
    pub(crate) visits: HashMap<u32, Visit>,
}

/// What went over a connection.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) since: Instant,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) messages_in: u64,
    pub(crate) messages_out: u64,
}

impl Log {
    pub(crate) fn new(sink: Sink, one_of: u32) -> Self {
        Self { sink, one_of, hasher: RandomState::new(), visits: HashMap::new() }
    }

    pub(crate) fn takes(&self, number: u64) -> bool {
        self.hasher.hash_one(number).is_multiple_of(self.one_of.into())
    }
}
