//! All that a connection may do to groups, as it is now.

/// Groups that an action is allowed for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permitted<'p> {
    /// It is allowed for all, but for those denied.
    pub all: bool,
    /// Those it is allowed for by name.
    pub names: Vec<&'p str>,
    /// It is allowed for those that one of these fits, but for those denied.
    pub patterns: Vec<&'p str>,
    /// Those it is denied for by name.
    pub denied: Vec<&'p str>,
}
