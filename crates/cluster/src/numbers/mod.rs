//! Numbers: by them a message that came before, or too late, is known, and so is how many did not come.
//!
//! A bus delivers at most once and in order as long as nothing breaks. Where a connection to it is made anew, what the
//! old one still held may come later than what the new one has brought, or twice, or back to its publisher. So each
//! publisher numbers what it says on each [`Way`], and each receiver takes what has a greater number than the last.
//!
//! A publisher keeps 2 KiB for each hub in which it has published, a receiver 2 KiB for each node and hub, of up to
//! [`REMEMBERED_MAX`] nodes.

mod given;
mod heard;

pub use given::Given;
pub use heard::{Heard, REMEMBERED, REMEMBERED_MAX, Verdict};

use crate::subject::{SLOTS, Slot};

/// Ways of a hub.
const WAYS: usize = SLOTS as usize + 1;

/// By which way a message goes from one node to another: each has an order of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// Through a slot of the hub with this place among those that the node serves.
    Hub(u16, Slot),
    /// To one node, whatever the hub.
    Node,
}

/// Numbers of a hub's ways: 2 KiB, made with the first.
type OfHub = Option<Box<[u64; WAYS]>>;

fn at(hubs: &mut [OfHub], hub: u16, slot: Slot) -> Option<&mut u64> {
    hubs.get_mut(usize::from(hub))?.get_or_insert_with(|| Box::new([0; WAYS])).get_mut(slot.index())
}
