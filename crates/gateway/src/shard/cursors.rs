//! The cursors of broadcasts under way: what goes to everybody, and how far each has come.

use std::collections::VecDeque;

use bytes::Bytes;

use super::connection::Marks;
use crate::Prepared;
use crate::publish::{BROADCASTS_MAX, Part};

/// The broadcasts that a shard has accepted and not finished, in order. The cursor of the first one walks.
#[derive(Debug, Default)]
pub(crate) struct Broadcasts {
    pub(super) cursors: VecDeque<Cursor>,
    /// The number of the newest that was accepted.
    newest: u8,
}

// A connection may lack as many as there are, and numbers must tell how many.
const _: () = assert!(BROADCASTS_MAX < Marks::BROADCASTS as usize);

/// How far a broadcast is in this shard.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) message: Prepared,
    /// Its frame, counted by this shard alone: others' clones are not to fetch that count from this CPU and back.
    pub(super) plain: Bytes,
    /// The next record to look at.
    next: u32,
    /// What was done since the part was told.
    pub(super) handed: u64,
    pub(super) left: u64,
    pub(super) part: Part,
}

impl Broadcasts {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.cursors.is_empty()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.cursors.len()
    }

    /// The number of the newest: a connection that opens now gets none of those accepted before.
    pub(crate) fn newest(&self) -> u8 {
        self.newest
    }

    /// How many of them a connection lacks: the last ones.
    pub(crate) fn lacked(&self, marks: Marks) -> usize {
        usize::from(self.newest.wrapping_sub(marks.broadcast()) % Marks::BROADCASTS)
    }

    pub(super) fn accept(&mut self, message: Prepared, part: Part) {
        self.newest = (self.newest + 1) % Marks::BROADCASTS;
        let plain = Bytes::from_owner(message.plain());
        self.cursors.push_back(Cursor { message, plain, next: 0, handed: 0, left: 0, part });
    }

    /// The next record for the first cursor, of those below `end`. Who has come since it was accepted is among them,
    /// and lacks nothing.
    pub(super) fn next_key(&mut self, end: u32) -> Option<u32> {
        let cursor = self.cursors.front_mut().filter(|cursor| cursor.next < end)?;
        cursor.next += 1;
        Some(cursor.next - 1)
    }

    /// Whether the first cursor has looked at every record.
    pub(super) fn is_at_the_end(&self, end: u32) -> bool {
        self.cursors.front().is_some_and(|cursor| cursor.next >= end)
    }
}
