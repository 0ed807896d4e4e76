//! Bytes that all bodies may have together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Room for bodies, shared by all connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    left: Arc<AtomicUsize>,
    all: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(bytes)), all: bytes }
    }

    /// A share of nothing yet.
    pub(super) fn share(&self) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }

    /// What is taken, in bytes.
    pub(crate) fn taken(&self) -> usize {
        self.all.saturating_sub(self.left.load(Relaxed))
    }
}

/// What one body has of the budget; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    bytes: usize,
}

impl Share {
    /// Takes `more` bytes, all or none. Returns whether they were there.
    #[must_use]
    pub(super) fn grow(&mut self, more: usize) -> bool {
        let taken = self.budget.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(more)).is_ok();
        self.bytes += if taken { more } else { 0 };
        taken
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is_and_all_comes_back() {
        let budget = Budget::new(10);
        let (mut one, mut other) = (budget.share(), budget.share());
        assert!(one.grow(4) && one.grow(4) && !other.grow(3) && other.grow(2) && !one.grow(1));
        assert_eq!(budget.taken(), 10);
        drop(one);
        assert_eq!(budget.taken(), 2);
        drop(other);
        assert_eq!(budget.taken(), 0);
    }
}
