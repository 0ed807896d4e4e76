//! A message to many as one shard has it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use holdfast_hub::Form;

use super::reliable::Shared;
use crate::publish::{Forms, Part};

/// A message in the shard's line.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(super) message: Forms,
    /// Frames by form, counted by this shard alone: others' clones are not to fetch those counts from this CPU and
    /// back.
    plain: Box<[OnceLock<Bytes>]>,
    /// The frame as it is kept for reliable clients.
    kept: OnceLock<Bytes>,
    pub(super) tally: Arc<Tally>,
}

/// What was done of a message, told now and then. One shard counts, so that a store is enough.
#[derive(Debug)]
pub(crate) struct Tally {
    part: Part,
    /// Where deliveries are counted, too.
    count: Option<Arc<AtomicU64>>,
    handed: AtomicU64,
    left: AtomicU64,
}

/// So many are told at once.
const TOLD: u64 = 256;

impl Publication {
    pub(super) fn new(message: Forms, part: Part) -> Self {
        let plain = (0..message.count()).map(|_| OnceLock::new()).collect();
        let count = message.count_of_deliveries();
        let tally = Arc::new(Tally { part, count, handed: AtomicU64::new(0), left: AtomicU64::new(0) });
        Self { message, plain, kept: OnceLock::new(), tally }
    }

    /// The frame for receivers of this form.
    pub(super) fn plain(&self, form: Form) -> Bytes {
        let made = &self.plain[self.message.index_of(form)];
        made.get_or_init(|| Bytes::from_owner(self.message.of(form).plain())).clone()
    }

    /// The frame for reliable clients, who are all of one form: counted once, however many keep it.
    pub(super) fn kept(&self, form: Form, shared: &Shared) -> Bytes {
        self.kept.get_or_init(|| shared.count(self.message.of(form).plain())).clone()
    }
}

impl holdfast_hub::Publication for Publication {
    fn taken(&self) {
        self.tally.part.take();
    }
}

impl Tally {
    /// One more has it.
    pub(super) fn hand(&self) {
        let handed = self.handed.load(Relaxed) + 1;
        self.handed.store(handed, Relaxed);
        if handed >= TOLD {
            self.tell();
        }
    }

    /// For one of them it waits in the outbox.
    pub(super) fn leave(&self) {
        self.left.store(self.left.load(Relaxed) + 1, Relaxed);
    }

    fn tell(&self) {
        let handed = self.handed.swap(0, Relaxed);
        self.part.add(handed, self.left.swap(0, Relaxed));
        if let Some(count) = &self.count {
            count.fetch_add(handed, Relaxed);
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.tell();
    }
}
