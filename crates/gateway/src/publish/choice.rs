//! Who of an audience is meant.

use std::fmt;

use holdfast_hub::Receiver;

/// Chooses among those who belong to an audience. It is asked for each of them when the message is delivered, so it
/// must be quick.
pub trait Choice: fmt::Debug + Send + Sync {
    /// Whether the message is for this one. `name` makes the text by which services know its connection.
    fn is_meant(&self, one: Receiver<'_>, name: &dyn Fn() -> String) -> bool;

    /// How long that takes: as long as so many looks at somebody who gets nothing.
    fn looks(&self) -> u32;
}
