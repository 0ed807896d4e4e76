//! The beats of the sweep: when the next one is, and at which records it looks.

use std::time::{Duration, Instant};

/// Beats in which all records are looked at.
const BEATS_PER_ROUND: usize = 4;

/// Where the sweep is.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// When the next beat is; at once where there was none.
    pub(super) next: Option<Instant>,
    /// The shard's second at the last beat.
    pub(super) second: u32,
    cursor: usize,
    /// One past the highest key that has been in use.
    end: usize,
}

impl Sweep {
    /// How long until the next beat.
    pub(crate) fn until_next(&self, now: Instant) -> Duration {
        self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// A record is in use: from now on the beats look at it.
    pub(super) fn cover(&mut self, key: usize) {
        self.end = self.end.max(key + 1);
    }

    /// One past the highest key that has been in use.
    pub(crate) fn keys(&self) -> usize {
        self.end
    }

    /// The keys to look at in this beat.
    pub(super) fn slice(&mut self) -> std::ops::Range<usize> {
        if self.cursor >= self.end {
            self.cursor = 0;
        }
        let start = self.cursor;
        self.cursor = (start + self.end.div_ceil(BEATS_PER_ROUND)).min(self.end);
        start..self.cursor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_beats_look_at_every_record_once() {
        for end in [0, 1, 3, 4, 5, 1000, 1001] {
            let mut sweep = Sweep { end, ..Sweep::default() };
            let mut seen: Vec<usize> = (0..BEATS_PER_ROUND).flat_map(|_| sweep.slice()).collect();
            // Few records are done in fewer beats, and then again from the start.
            seen.truncate(end);
            assert_eq!(seen, (0..end).collect::<Vec<_>>());
        }
    }
}
