//! The start: which driver works here, which addresses are listened on, and the shards' threads.

mod gateway;
mod listen;
mod rung;

pub use gateway::{Gateway, Outcome, StartError};
pub use listen::ListenError;
pub(crate) use listen::Patience;
pub use rung::Rung;
