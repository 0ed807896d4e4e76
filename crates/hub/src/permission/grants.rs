//! What a connection may do by the roles it came with.

use super::pattern::Pattern;
use super::permitted::Permitted;

/// Most groups that a connection's permissions name, for both actions together.
pub const NAMES_MAX: usize = 1000;
/// Most patterns of a connection, for both actions together.
pub const PATTERNS_MAX: usize = 10;

/// What somebody does to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Joining and leaving.
    Join,
    /// Publishing to its members.
    Publish,
}

/// A connection would have more permissions than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooManyGrants {
    /// More than [`NAMES_MAX`] groups by name.
    Names,
    /// More than [`PATTERNS_MAX`] patterns.
    Patterns,
}

impl std::fmt::Display for TooManyGrants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Names => "a connection's permissions name at most 1,000 groups",
            Self::Patterns => "a connection's permissions have at most 10 patterns",
        })
    }
}

impl std::error::Error for TooManyGrants {}

/// What a connection may do to groups. Those that allow the same are equal, in whatever order they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grants {
    join: Allowed,
    publish: Allowed,
}

/// The groups an action is allowed for. Lists are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Allowed {
    all: bool,
    names: Vec<Box<str>>,
    patterns: Vec<Pattern>,
}

impl Grants {
    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.join, &self.publish].iter().all(|it| !it.all && it.names.is_empty() && it.patterns.is_empty())
    }

    /// Whether an action is allowed for a group.
    #[must_use]
    pub fn may(&self, action: Action, group: &str) -> bool {
        let allowed = self.allowed(action);
        let is_named = || allowed.names.binary_search_by(|name| (**name).cmp(group)).is_ok();
        allowed.all || is_named() || allowed.patterns.iter().any(|pattern| pattern.fits(group))
    }

    /// Allows an action for all groups.
    pub fn allow_all(&mut self, action: Action) {
        self.allowed_mut(action).all = true;
    }

    /// Allows an action for a group.
    ///
    /// # Errors
    /// When [`NAMES_MAX`] groups are named already.
    pub fn allow(&mut self, action: Action, group: &str) -> Result<(), TooManyGrants> {
        let is_full = self.join.names.len() + self.publish.names.len() >= NAMES_MAX;
        let names = &mut self.allowed_mut(action).names;
        match names.binary_search_by(|name| (**name).cmp(group)) {
            Err(_) if is_full => Err(TooManyGrants::Names),
            Err(at) => {
                names.insert(at, group.into());
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Allows an action for all groups that a pattern fits.
    ///
    /// # Errors
    /// When there are [`PATTERNS_MAX`] patterns already.
    pub fn allow_pattern(&mut self, action: Action, pattern: Pattern) -> Result<(), TooManyGrants> {
        let is_full = self.join.patterns.len() + self.publish.patterns.len() >= PATTERNS_MAX;
        let patterns = &mut self.allowed_mut(action).patterns;
        match patterns.binary_search(&pattern) {
            Err(_) if is_full => Err(TooManyGrants::Patterns),
            Err(at) => {
                patterns.insert(at, pattern);
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// All that is allowed.
    pub(crate) fn permitted(&self, action: Action) -> Permitted<'_> {
        let allowed = self.allowed(action);
        Permitted {
            all: allowed.all,
            names: allowed.names.iter().map(|name| &**name).collect(),
            patterns: allowed.patterns.iter().map(Pattern::as_str).collect(),
            denied: Vec::new(),
        }
    }

    fn allowed(&self, action: Action) -> &Allowed {
        match action {
            Action::Join => &self.join,
            Action::Publish => &self.publish,
        }
    }

    fn allowed_mut(&mut self, action: Action) -> &mut Allowed {
        match action {
            Action::Join => &mut self.join,
            Action::Publish => &mut self.publish,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_has_its_own_groups() {
        let mut grants = Grants::default();
        assert!(grants.is_empty());
        grants.allow(Action::Join, "a").expect("room");
        grants.allow_pattern(Action::Publish, Pattern::new("b.*").expect("a pattern")).expect("room");
        assert!(grants.may(Action::Join, "a") && !grants.may(Action::Publish, "a"));
        assert!(grants.may(Action::Publish, "b.c") && !grants.may(Action::Join, "b.c"));
        grants.allow_all(Action::Join);
        assert!(grants.may(Action::Join, "x") && !grants.may(Action::Publish, "x") && !grants.is_empty());
    }

    #[test]
    fn the_order_in_which_they_were_given_makes_no_difference() {
        let make = |names: [&str; 4]| {
            let mut grants = Grants::default();
            names.iter().for_each(|name| grants.allow(Action::Publish, name).expect("room"));
            grants
        };
        assert_eq!(make(["a", "b", "c", "a"]), make(["c", "a", "b", "b"]));
    }

    #[test]
    fn there_are_bounds_for_both_actions_together() {
        let mut grants = Grants::default();
        for n in 0..NAMES_MAX / 2 {
            grants.allow(Action::Join, &n.to_string()).expect("room");
            grants.allow(Action::Publish, &n.to_string()).expect("room");
        }
        assert_eq!(grants.allow(Action::Join, "one more"), Err(TooManyGrants::Names));
        assert_eq!(grants.allow(Action::Join, "0"), Ok(()));
        let pattern = |n: usize| Pattern::new(&format!("{n}*")).expect("a pattern");
        (0..PATTERNS_MAX).for_each(|n| grants.allow_pattern(Action::Join, pattern(n)).expect("room"));
        assert_eq!(grants.allow_pattern(Action::Publish, pattern(0)), Err(TooManyGrants::Patterns));
        assert_eq!(grants.allow_pattern(Action::Join, pattern(0)), Ok(()));
    }
}
