//! What nodes say to each other. An [`Envelope`] is written as one message and read from one: what is read borrows from
//! it. Everything is bounded, and nothing is allocated for what a message says of itself.
//!
//! All numbers are little-endian.
//!
//! | at | bytes | |
//! |---|---|---|
//! | 0 | 1 | [`MAGIC`] |
//! | 1 | 1 | [`VERSION`] |
//! | 2 | 1 | operation |
//! | 3 | 1 | flags |
//! | 4 | 4 | epoch of the numbers |
//! | 8 | 8 | node, 48 bits |
//! | 16 | 8 | number |
//! | 24 | 8 | question; 0 where no answer is wanted |
//! | 32 | 1 | target: 0 none, 1 all, 2 user, 3 group, 4 connection |
//! | 33 | 1 | kind of the data |
//! | 34 | 1, 1 | length of the hub; nothing |
//! | 36 | 2, 2, 2, 2 | lengths of target, sender and filter, number of excluded |
//! | 44 | 4 | length of all fields |
//! | 48 | | hub, target, sender, filter, excluded (16 bytes each), fields, payload |
//!
//! A field is a tag, a length of 2 bytes, and so many bytes. Those whose tag is not known are skipped, so that a later
//! release may say more. What stands before 32 is the same in all versions of [`MAJOR`](crate::subject::MAJOR): whoever
//! does not understand a question can say so.

mod bounds;
mod fields;
mod head;
mod list;
mod operation;
mod parts;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use bounds::{
    EXCLUDED_MAX, FILTER_LEN_MAX, GROUPS_MAX, HUB_LEN_MAX, HUBS_MAX, NAME_LEN_MAX, OVERHEAD_MAX,
    REASON_LEN_MAX, RELEASE_LEN_MAX,
};
pub use head::{Head, MAGIC, Unknown, Unread, VERSION};
pub use list::{Excluded, Groups, Hubs, Member, Members};
pub use operation::{
    Action, Answer, Change, DataKind, Heartbeat, Operation, Publication, Refusal, Said, Sender, Target,
};
pub use write::TooLong;

use crate::id::{NodeId, QuestionId};

/// A message between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'m> {
    /// Who says it.
    pub node: NodeId,
    /// Raised when the node has begun its numbers anew. No release does so far.
    pub epoch: u32,
    /// One more than that before it on the same way; the first is 1. 0 where ways have no numbers: answers.
    pub number: u64,
    /// What an answer is wanted to, or is the answer to.
    pub question: Option<QuestionId>,
    /// The hub in lower case; empty where it is about none.
    pub hub: &'m str,
    /// What.
    pub operation: Operation<'m>,
}

impl<'m> Envelope<'m> {
    /// Reads a message, of which nothing is believed.
    ///
    /// # Errors
    /// [`Unread`]: garbage, or something of a later release, of which only the head is known.
    pub fn read(message: &'m [u8]) -> Result<Self, Unread> {
        let (head, parts) = read::read(message)?;
        let operation = parts.operation(head)?;
        let Head { node, epoch, number, question, .. } = head;
        Ok(Self { node, epoch, number, question, hub: parts.hub, operation })
    }

    /// Writes it behind what is in `out`.
    ///
    /// # Errors
    /// Where something is longer than others would read. `out` is as it was.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let Self { node, epoch, number, question, hub, ref operation } = *self;
        let parts = parts::Parts { hub, ..parts::Parts::of(operation) };
        let head = Head { operation: parts.operation, flags: parts.flags, node, epoch, number, question };
        write::write(head, &parts, out)
    }
}
