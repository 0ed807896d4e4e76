//! What metrics say once and for all.

use crate::limits::{MemoryLimit, Plan};

/// What is known once the shards run.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The driver's rung, for `holdfast_build_info`: `uring`, `uring-baseline` or `epoll`.
    pub driver: String,
    /// Kernel memory of one idle connection in bytes, for estimates: see
    /// [`documented_kernel_bytes`](super::documented_kernel_bytes).
    pub kernel_bytes_per_connection: u64,
    /// How many connections fit.
    pub room: u64,
    /// The memory that is planned with.
    pub memory: Option<MemoryLimit>,
    /// What is planned.
    pub plan: Option<Plan>,
    /// Longest message that may be sent to all by the admin server, in bytes.
    pub message_bytes_max: usize,
}
