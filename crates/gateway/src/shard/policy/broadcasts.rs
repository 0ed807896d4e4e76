//! How messages to many are handed out.

use holdfast_hub::Tuning;

/// How much of them a shard does at a time. Nobody changes this but tests, for which a few connections are many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broadcasts {
    pub(crate) line: Tuning,
    /// Most connections that are handed something in one turn, and most offers in flight. At least 1.
    pub(crate) sends_max: usize,
    /// Bytes after which a turn hands out nothing else: with the above, what others wait for at most.
    pub(crate) bytes_max: usize,
}

impl Default for Broadcasts {
    fn default() -> Self {
        Self { line: Tuning::default(), sends_max: 256, bytes_max: 1 << 20 }
    }
}
