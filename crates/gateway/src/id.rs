//! Names that applications use for connections and opening handshakes.

use std::fmt;

/// Names one connection, for as long as the process lives: a later connection in the same slot has another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    pub(crate) shard: u16,
    pub(crate) key: u32,
    pub(crate) generation: u32,
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.shard, self.key, self.generation)
    }
}

/// Names one opening handshake, so that it can be answered later, from any thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandshakeId {
    pub(crate) shard: u16,
    pub(crate) key: u32,
    pub(crate) generation: u32,
}
