//! Messages for many: made once, and how far each has come.

mod choice;
mod forms;
mod prepared;
mod reach;

pub use choice::Choice;
pub use forms::Forms;
pub(crate) use prepared::Numbering;
pub use prepared::Prepared;
pub use reach::{Broadcast, LineFull, PUBLICATION_BYTES_MAX, PUBLICATIONS_MAX};
pub(crate) use reach::{LineRoom, Part, begin};
