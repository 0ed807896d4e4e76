//! What other nodes want of a shard that has no room for it: it waits for a while, in the order in which it came. Each
//! shard has a line of its own, so that one that is slow holds up nobody else.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_hub::Hub;
use holdfast_webpubsub::rest::Target;

use crate::{Audience, ConnectionId, Forms};

/// How long something waits at most. What is older than that is no news any more.
pub(in crate::services) const WAIT_MAX: Duration = Duration::from_secs(5);
/// Bytes that each takes besides what it says.
const BESIDE: usize = 512;

/// What is to be done on a shard.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Publish { to: Audience, excluded: Arc<[ConnectionId]>, message: Forms },
    Send { hub: Hub, to: ConnectionId, message: Forms },
    Close { hub: Hub, of: Arc<Target>, excluded: Arc<[ConnectionId]>, reason: Option<Arc<str>> },
}

impl Work {
    /// Bytes that it holds.
    pub(super) fn len(&self) -> usize {
        let ids = |ids: &[ConnectionId]| size_of_val(ids);
        // A message is there as it is, and in JSON.
        BESIDE
            + match self {
                Self::Publish { excluded, message, .. } => 2 * message.len() + ids(excluded),
                Self::Send { message, .. } => 2 * message.len(),
                Self::Close { excluded, reason, .. } => {
                    ids(excluded) + reason.as_ref().map_or(0, |reason| reason.len())
                }
            }
    }

    /// Bytes of what connections are sent, in the longest form.
    pub(super) fn longest(&self) -> usize {
        match self {
            Self::Publish { message, .. } | Self::Send { message, .. } => message.len(),
            Self::Close { .. } => 0,
        }
    }
}

/// Something that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) since: Instant,
    pub(super) work: Work,
}

/// The line of a shard.
#[derive(Debug)]
pub(super) struct Line {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    bytes_max: usize,
}

impl Line {
    /// With room for so many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, bytes_max }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many wait, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.waiting.len(), self.bytes)
    }

    /// Puts one behind the others. Whether there was room: one that is longer than all the room goes alone.
    pub(super) fn push(&mut self, one: Waiting) -> bool {
        let len = one.work.len();
        if self.bytes > 0 && self.bytes + len > self.bytes_max {
            return false;
        }
        self.bytes += len;
        self.waiting.push_back(one);
        true
    }

    pub(super) fn first(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// Takes out the first.
    pub(super) fn pop(&mut self) {
        if let Some(one) = self.waiting.pop_front() {
            self.bytes -= one.work.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(len: usize) -> Waiting {
        let reason = Some("r".repeat(len).into());
        let work = Work::Close { hub: Hub(0), of: Arc::new(Target::All), excluded: Arc::default(), reason };
        Waiting { since: Instant::now(), work }
    }

    #[test]
    fn it_keeps_order_and_takes_no_more_than_it_has_room_for() {
        let mut line = Line::new(3 * BESIDE + 9);
        for len in [1, 2, 3] {
            assert!(line.push(one(len)));
        }
        assert!(!line.push(one(4)));
        assert_eq!(line.size(), (3, 6 + 3 * BESIDE));
        for len in [1, 2, 3] {
            assert_eq!(line.first().map(|it| it.work.len()), Some(len + BESIDE));
            line.pop();
        }
        assert_eq!(line.size(), (0, 0));
        assert!(line.push(one(5000)), "one goes alone, however long");
        assert!(!line.push(one(0)));
    }
}
