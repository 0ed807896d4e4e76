//! What other nodes want and shards have no room for: it waits for a while, in the order in which it came.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_cluster::{Asker, Where};

/// How long something waits at most. What is older than that is no news any more.
pub(in crate::services) const WAIT_MAX: Duration = Duration::from_secs(5);
/// Bytes that each takes besides its message.
const BESIDE: usize = 256;

/// Something that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) since: Instant,
    pub(super) hub: u16,
    pub(super) to: Where,
    pub(super) asker: Option<Asker>,
    /// The whole envelope.
    pub(super) message: Bytes,
}

/// The line.
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

    /// Puts one behind the others, or gives it back where there is no room. One that is longer than all the room goes
    /// alone.
    pub(super) fn push(&mut self, one: Waiting) -> Result<(), Waiting> {
        let len = one.message.len() + BESIDE;
        if self.bytes > 0 && self.bytes + len > self.bytes_max {
            return Err(one);
        }
        self.bytes += len;
        self.waiting.push_back(one);
        Ok(())
    }

    /// Takes the first.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let one = self.waiting.pop_front()?;
        self.bytes -= one.message.len() + BESIDE;
        Some(one)
    }

    /// Puts back what was first.
    pub(super) fn put_back(&mut self, one: Waiting) {
        self.bytes += one.message.len() + BESIDE;
        self.waiting.push_front(one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(len: usize) -> Waiting {
        let (to, message) = (Where::Shards(vec![0]), Bytes::from(vec![0; len]));
        Waiting { since: Instant::now(), hub: 0, to, asker: None, message }
    }

    #[test]
    fn it_keeps_order_and_takes_no_more_than_it_has_room_for() {
        let mut line = Line::new(1000);
        for len in [1, 2, 3] {
            assert!(line.push(one(len)).is_ok());
        }
        assert_eq!(line.push(one(4)).map_err(|back| back.message.len()), Err(4));
        assert_eq!(line.size(), (3, 6 + 3 * BESIDE));
        let first = line.pop().unwrap();
        assert_eq!(first.message.len(), 1);
        line.put_back(first);
        let lens: Vec<_> = std::iter::from_fn(|| line.pop()).map(|it| it.message.len()).collect();
        assert_eq!((lens, line.size()), (vec![1, 2, 3], (0, 0)));
        assert!(line.push(one(5000)).is_ok(), "one goes alone, however long");
        assert!(line.push(one(0)).is_err());
    }
}
