//! What of a connection a filter asks about.

/// What a filter asks about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) user: bool,
    pub(super) connection: bool,
    pub(super) groups: bool,
}
