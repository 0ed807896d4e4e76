//! What a connection may do to groups.

mod changes;
mod grants;
mod pattern;
mod permitted;

pub(crate) use changes::Changes;
pub use grants::{Action, Grants, NAMES_MAX, PATTERNS_MAX, TooManyGrants};
pub use pattern::{BadPattern, PATTERN_CHARS_MAX, PATTERN_STARS_MAX, Pattern};
pub use permitted::Permitted;
