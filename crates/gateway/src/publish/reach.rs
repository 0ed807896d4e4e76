//! A message to many: how far it is, and how much may be under way.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
};

use tokio::sync::Notify;

use crate::limits::Shares;

/// Most messages to many that a shard has accepted and not finished, unless publishes-waiting-max says otherwise.
pub const PUBLICATIONS_MAX: u32 = 1024;
/// Most bytes of them, as the longest of their forms has them, unless publish-bytes-waiting-max says otherwise. One
/// that is longer goes alone.
pub const PUBLICATION_BYTES_MAX: usize = Shares::BYTES;

/// Some shard has as many messages to many to finish first as it may have, or as many bytes of them. Nobody gets the
/// message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineFull;

impl std::fmt::Display for LineFull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("too many messages to many are under way: try again when some of them are over")
    }
}

impl std::error::Error for LineFull {}

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
    /// Shards that have not begun.
    untaken: AtomicUsize,
    /// Shards that have not finished.
    parts: AtomicUsize,
    /// Woken when the last shard has begun, and when the last one has finished.
    news: Notify,
}

impl Broadcast {
    /// A broadcast that nobody has a part in yet.
    fn new() -> Self {
        let reach = Reach {
            handed: AtomicU64::new(0),
            left: AtomicU64::new(0),
            untaken: AtomicUsize::new(0),
            parts: AtomicUsize::new(0),
            news: Notify::new(),
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

    /// Whether each shard has taken it: what is asked of a shard from now on happens behind it.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.reach.untaken.load(Acquire) == 0
    }

    /// Waits until it is over.
    pub async fn over(&self) {
        self.until(Self::is_over).await;
    }

    /// Waits until each shard has taken it.
    pub async fn taken(&self) {
        self.until(Self::is_taken).await;
    }

    async fn until(&self, is_done: impl Fn(&Self) -> bool) {
        loop {
            let notified = self.reach.news.notified();
            let mut notified = std::pin::pin!(notified);
            // Before the look, so that an end in between is not missed.
            notified.as_mut().enable();
            if is_done(self) {
                return;
            }
            notified.await;
        }
    }
}

/// How much a shard has accepted and not finished.
#[derive(Clone, Debug)]
pub(crate) struct LineRoom(Arc<Taken>);

#[derive(Debug)]
struct Taken {
    count: AtomicU32,
    bytes: AtomicUsize,
    count_max: u32,
    bytes_max: usize,
}

impl Default for LineRoom {
    fn default() -> Self {
        Self::of(PUBLICATIONS_MAX, PUBLICATION_BYTES_MAX)
    }
}

impl LineRoom {
    /// For so many at once, and so many bytes of them.
    pub(crate) fn of(count_max: u32, bytes_max: usize) -> Self {
        Self(Arc::new(Taken { count: AtomicU32::new(0), bytes: AtomicUsize::new(0), count_max, bytes_max }))
    }

    /// How many are taken.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> u32 {
        self.0.count.load(Relaxed)
    }

    /// Bytes of what is taken.
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes.load(Relaxed)
    }

    fn claim(&self, len: usize) -> bool {
        let Taken { count, bytes, count_max, bytes_max } = &*self.0;
        if count.fetch_update(Relaxed, Relaxed, |taken| (taken < *count_max).then_some(taken + 1)).is_err() {
            return false;
        }
        let fits = |taken: usize| taken == 0 || taken + len <= *bytes_max;
        let has_room =
            bytes.fetch_update(Relaxed, Relaxed, |taken| fits(taken).then_some(taken + len)).is_ok();
        if !has_room {
            count.fetch_sub(1, Relaxed);
        }
        has_room
    }

    fn give_back(&self, len: usize) {
        self.0.bytes.fetch_sub(len, Relaxed);
        self.0.count.fetch_sub(1, Relaxed);
    }
}

/// What a shard has to do with a message. Dropping it ends that, whatever became of the shard.
#[derive(Debug)]
pub(crate) struct Part {
    reach: Arc<Reach>,
    room: LineRoom,
    len: usize,
    is_taken: AtomicBool,
}

impl Part {
    /// Notes what was done.
    pub(crate) fn add(&self, handed: u64, left: u64) {
        self.reach.handed.fetch_add(handed, Relaxed);
        self.reach.left.fetch_add(left, Relaxed);
    }

    /// Notes that its place among what the shard does is fixed.
    pub(crate) fn take(&self) {
        if !self.is_taken.swap(true, Relaxed) && self.reach.untaken.fetch_sub(1, AcqRel) == 1 {
            self.reach.news.notify_waiters();
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.take();
        self.room.give_back(self.len);
        if self.reach.parts.fetch_sub(1, AcqRel) == 1 {
            self.reach.news.notify_waiters();
        }
    }
}

/// Takes a place at every shard for a message of so many bytes, or at none.
///
/// # Errors
/// When one of them has no room.
pub(crate) fn begin<'a>(
    shards: impl Iterator<Item = &'a LineRoom>,
    len: usize,
) -> Result<(Broadcast, Vec<Part>), LineFull> {
    let broadcast = Broadcast::new();
    let reach = &broadcast.reach;
    let part = |room: &LineRoom| {
        room.claim(len).then(|| {
            reach.parts.fetch_add(1, Relaxed);
            reach.untaken.fetch_add(1, Relaxed);
            Part { reach: Arc::clone(reach), room: room.clone(), len, is_taken: AtomicBool::new(false) }
        })
    };
    // Those that were taken are given back when the list is dropped half-made.
    let parts: Option<Vec<Part>> = shards.map(part).collect();
    Ok((broadcast, parts.ok_or(LineFull)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broadcast_is_over_when_every_part_is() {
        let shards = [LineRoom::default(), LineRoom::default()];
        let (broadcast, mut parts) = begin(shards.iter(), 1).expect("there is room");
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
        let shards = [LineRoom::default(), LineRoom::default(), LineRoom::default()];
        let held: Vec<_> =
            (0..PUBLICATIONS_MAX).map(|_| begin(shards[1..2].iter(), 1).expect("room")).collect();
        assert_eq!(begin(shards.iter(), 1).err(), Some(LineFull));
        assert_eq!(shards.each_ref().map(LineRoom::taken), [0, PUBLICATIONS_MAX, 0]);
        drop(held);
        assert!(begin(shards.iter(), 1).is_ok());
    }

    #[test]
    fn bytes_are_bounded_and_what_is_longer_goes_alone() {
        let shards = [LineRoom::default()];
        let whole = begin(shards.iter(), PUBLICATION_BYTES_MAX + 1).expect("nothing else is there");
        assert_eq!(begin(shards.iter(), 1).err(), Some(LineFull));
        drop(whole);
        let _half = begin(shards.iter(), PUBLICATION_BYTES_MAX / 2).expect("there is room");
        assert!(begin(shards.iter(), PUBLICATION_BYTES_MAX / 2).is_ok());
        assert_eq!(begin(shards.iter(), PUBLICATION_BYTES_MAX / 2 + 1).err(), Some(LineFull));
    }

    #[test]
    fn it_is_taken_when_every_shard_has_begun() {
        let shards = [LineRoom::default(), LineRoom::default()];
        let (broadcast, parts) = begin(shards.iter(), 1).expect("there is room");
        parts[0].take();
        parts[0].take();
        assert!(!broadcast.is_taken());
        parts[1].take();
        assert!(broadcast.is_taken() && !broadcast.is_over());
    }

    #[test]
    fn whoever_waits_hears_of_the_end() {
        let shards = [LineRoom::default()];
        let (broadcast, parts) = begin(shards.iter(), 1).expect("there is room");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let waiting = broadcast.clone();
        let ending = std::thread::spawn(move || runtime.block_on(waiting.over()));
        drop(parts);
        ending.join().expect("it hears");
        assert!(broadcast.is_over());
    }
}
