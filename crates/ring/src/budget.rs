//! How large rings and buffer pools may be, so that they fit into what may be locked in memory.
//!
//! Registered buffers (and on 5.10 the rings themselves) are charged to RLIMIT_MEMLOCK, which is 8 MiB in many
//! containers, for all shards together.

/// Sizes for one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Entries of the submission queue.
    pub submission_entries: u32,
    /// Entries of the completion queue.
    pub completion_entries: u32,
    /// Bytes of one buffer.
    pub buffer_bytes: usize,
    /// Buffers of the pool.
    pub buffer_count: u16,
    /// Bytes of one long buffer.
    pub long_buffer_bytes: usize,
    /// Long buffers. They are not locked in memory, and so no part of what RLIMIT_MEMLOCK bounds.
    pub long_buffer_count: u16,
}

impl Budget {
    /// Least bytes of a shard's pool.
    pub const POOL_BYTES_MIN: usize = 64 << 10;
    /// Most bytes of a shard's pool.
    pub const POOL_BYTES_MAX: usize = 1 << 20;
    /// Fewest buffers of a pool: below this, buffers are made smaller instead.
    pub const BUFFERS_MIN: usize = 16;
    const BUFFER_BYTES_MIN: usize = 4 << 10;
    /// A frame of 64 KiB fits with its header, in whole pages.
    pub const LONG_BUFFER_BYTES: usize = 68 << 10;
    /// So many messages of 16 KiB, read before the first of them is handled, stay in the cache of a core; more do not.
    pub const LONG_BUFFERS: u16 = 16;

    /// Plans for `shards` shards that together take at most half of `memlock` bytes (`None`: no limit), as far as the
    /// least sizes allow. `buffer_bytes` is wished for; `pool_bytes`, when given, is what the operator wants.
    #[must_use]
    pub fn plan(memlock: Option<u64>, shards: usize, buffer_bytes: usize, pool_bytes: Option<usize>) -> Self {
        let half = memlock.map_or(usize::MAX, |limit| usize::try_from(limit / 2).unwrap_or(usize::MAX));
        let share = half / shards.max(1);
        let (submission_entries, completion_entries) = ring_entries(share);
        let rest = share.saturating_sub(ring_bytes(submission_entries, completion_entries));
        let pool = pool_bytes.unwrap_or_else(|| rest.clamp(Self::POOL_BYTES_MIN, Self::POOL_BYTES_MAX));
        let buffer_bytes = buffer_bytes.min((pool / Self::BUFFERS_MIN).max(Self::BUFFER_BYTES_MIN));
        let buffers_max = u16::MAX - Self::LONG_BUFFERS;
        let buffer_count =
            u16::try_from((pool / buffer_bytes).max(1)).map_or(buffers_max, |it| it.min(buffers_max));
        Self {
            submission_entries,
            completion_entries,
            buffer_bytes,
            buffer_count,
            long_buffer_bytes: Self::LONG_BUFFER_BYTES,
            long_buffer_count: Self::LONG_BUFFERS,
        }
    }
}

/// Bytes that a ring of this size takes: 64 for each submission and 4 for its index, 16 for each completion.
fn ring_bytes(submission: u32, completion: u32) -> usize {
    submission as usize * 68 + completion as usize * 16
}

/// The largest rings, of those we use, that take at most half of a shard's share.
fn ring_entries(share: usize) -> (u32, u32) {
    let sizes = [(256, 4096), (128, 2048), (64, 1024)];
    let fits = |(submission, completion): &(u32, u32)| ring_bytes(*submission, *completion) <= share / 2;
    sizes.into_iter().find(fits).unwrap_or((32, 512))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool_bytes(budget: Budget) -> usize {
        usize::from(budget.buffer_count) * budget.buffer_bytes
    }

    #[test]
    fn without_a_limit_everything_has_its_full_size() {
        let budget = Budget::plan(None, 500, 16 << 10, None);
        assert_eq!((budget.submission_entries, budget.completion_entries), (256, 4096));
        assert_eq!((pool_bytes(budget), budget.buffer_bytes), (1 << 20, 16 << 10));
    }

    #[test]
    fn two_shards_fit_into_half_of_8_mib() {
        let budget = Budget::plan(Some(8 << 20), 2, 16 << 10, None);
        let each = pool_bytes(budget) + ring_bytes(budget.submission_entries, budget.completion_entries);
        assert!(2 * each <= 4 << 20);
        assert_eq!(pool_bytes(budget), 1 << 20);
    }

    #[test]
    fn sixty_four_shards_fit_into_8_mib() {
        let budget = Budget::plan(Some(8 << 20), 64, 16 << 10, None);
        let each = pool_bytes(budget) + ring_bytes(budget.submission_entries, budget.completion_entries);
        assert!(64 * each <= 8 << 20, "{budget:?}");
        assert!(usize::from(budget.buffer_count) >= Budget::BUFFERS_MIN);
    }

    #[test]
    fn whatever_the_limit_a_shard_has_a_pool() {
        for memlock in [0, 1, 64 << 10, 1 << 20] {
            let budget = Budget::plan(Some(memlock), 512, 16 << 10, None);
            assert!(pool_bytes(budget) >= Budget::POOL_BYTES_MIN);
        }
    }

    #[test]
    fn the_operators_pool_is_taken_as_wished() {
        let budget = Budget::plan(Some(8 << 20), 64, 64 << 10, Some(4 << 20));
        assert_eq!(pool_bytes(budget), 4 << 20);
    }
}
