//! A message to everybody: how far it is, and how many may be under way.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicU32, AtomicU64, AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
};

use tokio::sync::Notify;

/// Most broadcasts that a shard has accepted and not finished.
pub const BROADCASTS_MAX: usize = 7;

/// Some shard has [`BROADCASTS_MAX`] broadcasts to finish first. Nobody gets the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyBroadcasts;

impl std::fmt::Display for TooManyBroadcasts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{BROADCASTS_MAX} broadcasts are under way: try again when one of them is over")
    }
}

impl std::error::Error for TooManyBroadcasts {}

/// A broadcast that was accepted: it goes to every connection that is open now, whether anybody looks at this or not.
#[derive(Clone, Debug)]
pub struct Broadcast {
    reach: Arc<Reach>,
}

/// How far a broadcast is, over all shards.
#[derive(Debug)]
struct Reach {
    handed: AtomicU64,
    left: AtomicU64,
    /// Shards that have not finished.
    parts: AtomicUsize,
    over: Notify,
}

impl Broadcast {
    /// A broadcast that nobody has a part in yet.
    fn new() -> Self {
        let reach = Reach {
            handed: AtomicU64::new(0),
            left: AtomicU64::new(0),
            parts: AtomicUsize::new(0),
            over: Notify::new(),
        };
        Self { reach: Arc::new(reach) }
    }

    /// Connections that it was handed to so far: given to the kernel, or put into the outbox. A shard adds what it did
    /// in a turn at the end of the turn.
    #[must_use]
    pub fn handed(&self) -> u64 {
        self.reach.handed.load(Relaxed)
    }

    /// Those of them for whom it had to wait in the outbox, in whole or in part: they were not reading, or something
    /// else was to go first.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.reach.left.load(Relaxed)
    }

    /// Whether it was handed to everybody. (A shard that ends first ends its part too.)
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.reach.parts.load(Acquire) == 0
    }

    /// Waits until it is over.
    pub async fn over(&self) {
        loop {
            let notified = self.reach.over.notified();
            let mut notified = std::pin::pin!(notified);
            // Before the look, so that an end in between is not missed.
            notified.as_mut().enable();
            if self.is_over() {
                return;
            }
            notified.await;
        }
    }
}

/// How many broadcasts a shard has accepted and not finished.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenBroadcasts(Arc<AtomicU32>);

impl OpenBroadcasts {
    /// How many are taken.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> u32 {
        self.0.load(Relaxed)
    }

    fn claim(&self) -> bool {
        let claim = |taken: u32| ((taken as usize) < BROADCASTS_MAX).then_some(taken + 1);
        self.0.fetch_update(Relaxed, Relaxed, claim).is_ok()
    }
}

/// What a shard has to do with a broadcast. Dropping it ends that, whatever became of the shard.
#[derive(Debug)]
pub(crate) struct Part {
    reach: Arc<Reach>,
    open: OpenBroadcasts,
}

impl Part {
    /// Notes what was done in a turn.
    pub(crate) fn add(&self, handed: u64, left: u64) {
        self.reach.handed.fetch_add(handed, Relaxed);
        self.reach.left.fetch_add(left, Relaxed);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.open.0.fetch_sub(1, Relaxed);
        if self.reach.parts.fetch_sub(1, AcqRel) == 1 {
            self.reach.over.notify_waiters();
        }
    }
}

/// Takes a place at every shard, or at none.
///
/// # Errors
/// When one of them has none left.
pub(crate) fn begin<'a>(
    shards: impl Iterator<Item = &'a OpenBroadcasts>,
) -> Result<(Broadcast, Vec<Part>), TooManyBroadcasts> {
    let broadcast = Broadcast::new();
    let reach = &broadcast.reach;
    let part = |open: &OpenBroadcasts| {
        open.claim().then(|| {
            reach.parts.fetch_add(1, Relaxed);
            Part { reach: Arc::clone(reach), open: open.clone() }
        })
    };
    // Those that were taken are given back when the list is dropped half-made.
    let parts: Option<Vec<Part>> = shards.map(part).collect();
    Ok((broadcast, parts.ok_or(TooManyBroadcasts)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broadcast_is_over_when_every_part_is() {
        let shards = [OpenBroadcasts::default(), OpenBroadcasts::default()];
        let (broadcast, mut parts) = begin(shards.iter()).expect("there is room");
        parts[0].add(3, 1);
        parts[1].add(2, 0);
        drop(parts.pop());
        assert!(!broadcast.is_over());
        assert_eq!((broadcast.handed(), broadcast.left()), (5, 1));
        drop(parts);
        assert!(broadcast.is_over());
        assert_eq!(shards.map(|places| places.taken()), [0, 0]);
    }

    #[test]
    fn one_that_finds_a_shard_full_takes_no_place_anywhere() {
        let shards = [OpenBroadcasts::default(), OpenBroadcasts::default(), OpenBroadcasts::default()];
        let held: Vec<_> = (0..BROADCASTS_MAX).map(|_| begin(shards[1..2].iter()).expect("room")).collect();
        assert_eq!(begin(shards.iter()).err(), Some(TooManyBroadcasts));
        assert_eq!(shards.each_ref().map(OpenBroadcasts::taken), [0, 7, 0]);
        drop(held);
        assert!(begin(shards.iter()).is_ok());
    }

    #[test]
    fn whoever_waits_hears_of_the_end() {
        let shards = [OpenBroadcasts::default()];
        let (broadcast, parts) = begin(shards.iter()).expect("there is room");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let waiting = broadcast.clone();
        let ending = std::thread::spawn(move || runtime.block_on(waiting.over()));
        drop(parts);
        ending.join().expect("it hears");
        assert!(broadcast.is_over());
    }
}
