//! What a node counts.

use crate::bus::Refused;

/// Since the node has begun. Each loss is counted where it is seen: by the publisher where the bus has not taken a
/// message, by the receiver where one did not come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages to hubs and nodes that the bus has taken.
    pub published: u64,
    /// Messages that were not sent, since the bus was away.
    pub away: u64,
    /// Since too much waited for it.
    pub full: u64,
    /// Since they were too long for it, or for other nodes.
    pub too_large: u64,
    /// Messages that were not sent, since they are for a connection of a node that is not there, or not known.
    pub nowhere: u64,
    /// Messages to hubs and nodes that were taken.
    pub received: u64,
    /// Those of them for whom there was nobody here.
    pub for_nobody: u64,
    /// Messages that did not come.
    pub missed: u64,
    /// Messages that came once more, or behind later ones.
    pub late: u64,
    /// Messages that came back.
    pub own: u64,
    /// Messages that no release has written, or that came by a way that is not theirs.
    pub garbage: u64,
    /// Messages of a later release.
    pub unknown: u64,
    /// Messages of more nodes than are heard.
    pub crowded: u64,
    /// Questions that a node has not answered in time.
    pub unanswered: u64,
}

impl Counts {
    /// A message was not taken.
    pub(super) fn refused(&mut self, why: Refused) {
        match why {
            Refused::Away => self.away += 1,
            Refused::Full => self.full += 1,
            Refused::TooLarge => self.too_large += 1,
        }
    }
}
