//! One connection's input: from bytes as they were read to messages and control frames.

mod assembly;
mod partial;
mod receiver;
mod step;
mod utf8;

pub use assembly::Assembled;
pub use receiver::{Limits, Receiver};
pub use step::{MessageKind, Payload, Step};
pub(crate) use utf8::Utf8;
