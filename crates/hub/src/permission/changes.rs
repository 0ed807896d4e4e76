//! What was granted to and taken from one connection after it came.

use super::grants::{Action, Grants, NAMES_MAX, TooManyGrants};
use super::permitted::Permitted;

/// Changes to the grants of one connection, for both actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    join: Change,
    publish: Change,
}

/// The last word on an action. Where a group has one of its own, that counts; else the one for all groups; else what
/// the connection came with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Change {
    all: Option<bool>,
    /// Sorted by name.
    names: Vec<(Box<str>, bool)>,
}

impl Changes {
    pub(crate) fn may(&self, grants: &Grants, action: Action, group: &str) -> bool {
        let change = self.of(action);
        match change.find(group) {
            Ok(at) => change.names[at].1,
            Err(_) => change.all.unwrap_or_else(|| grants.may(action, group)),
        }
    }

    /// Grants an action for a group, or takes it.
    pub(crate) fn set(
        &mut self,
        grants: &Grants,
        action: Action,
        group: &str,
        may: bool,
    ) -> Result<(), TooManyGrants> {
        let is_full = self.join.names.len() + self.publish.names.len() >= NAMES_MAX;
        let change = self.of_mut(action);
        // A word that only says what holds for all anyway is not kept.
        let is_said = change.all.unwrap_or_else(|| grants.may(action, group)) == may;
        match change.find(group) {
            Ok(at) if is_said => {
                change.names.remove(at);
            }
            Ok(at) => change.names[at].1 = may,
            Err(_) if is_said => {}
            Err(_) if is_full => return Err(TooManyGrants::Names),
            Err(at) => change.names.insert(at, (group.into(), may)),
        }
        Ok(())
    }

    /// Grants an action for all groups, or takes it. What was said of single groups counts no longer.
    pub(crate) fn set_all(&mut self, action: Action, may: bool) {
        *self.of_mut(action) = Change { all: Some(may), names: Vec::new() };
    }

    /// What is allowed after these changes, where that was before.
    pub(crate) fn permitted<'p>(&'p self, before: Permitted<'p>, action: Action) -> Permitted<'p> {
        let change = self.of(action);
        let mut now = match change.all {
            Some(all) => Permitted { all, ..Permitted::default() },
            None => before,
        };
        now.names.retain(|name| change.find(name).is_err());
        let named = |may| change.names.iter().filter(move |it| it.1 == may).map(|(name, _)| &**name);
        now.names.extend(named(true));
        now.denied.extend(named(false));
        now
    }

    fn of(&self, action: Action) -> &Change {
        match action {
            Action::Join => &self.join,
            Action::Publish => &self.publish,
        }
    }

    fn of_mut(&mut self, action: Action) -> &mut Change {
        match action {
            Action::Join => &mut self.join,
            Action::Publish => &mut self.publish,
        }
    }
}

impl Change {
    fn find(&self, group: &str) -> Result<usize, usize> {
        self.names.binary_search_by(|(name, _)| (**name).cmp(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::Pattern;

    const PUBLISH: Action = Action::Publish;

    fn all() -> Grants {
        let mut grants = Grants::default();
        grants.allow_all(PUBLISH);
        grants
    }

    #[test]
    fn who_may_all_and_is_denied_one_keeps_the_others() {
        let (grants, mut changes) = (all(), Changes::default());
        changes.set(&grants, PUBLISH, "a", false).expect("room");
        assert!(!changes.may(&grants, PUBLISH, "a") && changes.may(&grants, PUBLISH, "b"));
        changes.set(&grants, PUBLISH, "a", true).expect("room");
        assert!(changes.may(&grants, PUBLISH, "a"));
        assert_eq!(changes, Changes::default());
    }

    #[test]
    fn who_may_nothing_and_is_granted_one_has_that_alone() {
        let (grants, mut changes) = (Grants::default(), Changes::default());
        changes.set(&grants, PUBLISH, "a", true).expect("room");
        assert!(changes.may(&grants, PUBLISH, "a") && !changes.may(&grants, PUBLISH, "b"));
        assert!(!changes.may(&grants, Action::Join, "a"));
        changes.set(&grants, PUBLISH, "a", false).expect("room");
        assert!(!changes.may(&grants, PUBLISH, "a"));
        assert_eq!(changes, Changes::default());
    }

    #[test]
    fn what_is_said_of_all_undoes_what_was_said_of_one() {
        let (grants, mut changes) = (all(), Changes::default());
        changes.set(&grants, PUBLISH, "a", false).expect("room");
        changes.set_all(PUBLISH, true);
        assert!(changes.may(&grants, PUBLISH, "a"));
        changes.set_all(PUBLISH, false);
        assert!(!changes.may(&grants, PUBLISH, "a") && !changes.may(&grants, PUBLISH, "b"));
        changes.set(&grants, PUBLISH, "b", true).expect("room");
        assert!(!changes.may(&grants, PUBLISH, "a") && changes.may(&grants, PUBLISH, "b"));
    }

    #[test]
    fn what_is_permitted_is_what_may_be_done() {
        let (mut grants, mut changes) = (Grants::default(), Changes::default());
        for name in ["a", "b"] {
            grants.allow(PUBLISH, name).expect("room");
        }
        grants.allow_pattern(PUBLISH, Pattern::new("p.*").expect("a pattern")).expect("room");
        changes.set(&grants, PUBLISH, "b", false).expect("room");
        changes.set(&grants, PUBLISH, "p.1", false).expect("room");
        changes.set(&grants, PUBLISH, "c", true).expect("room");
        let now = changes.permitted(grants.permitted(PUBLISH), PUBLISH);
        let patterns = vec!["p.*"];
        assert_eq!(now, Permitted { all: false, names: vec!["a", "c"], patterns, denied: vec!["b", "p.1"] });
        assert!(now.names.iter().all(|name| changes.may(&grants, PUBLISH, name)));
        assert!(!now.denied.iter().any(|name| changes.may(&grants, PUBLISH, name)));
        changes.set_all(PUBLISH, true);
        let all = changes.permitted(grants.permitted(PUBLISH), PUBLISH);
        assert_eq!(all, Permitted { all: true, ..Permitted::default() });
    }

    #[test]
    fn there_is_a_bound_on_groups_that_are_named() {
        let (grants, mut changes) = (all(), Changes::default());
        for n in 0..NAMES_MAX {
            changes.set(&grants, PUBLISH, &n.to_string(), false).expect("room");
        }
        assert_eq!(changes.set(&grants, PUBLISH, "one more", false), Err(TooManyGrants::Names));
        assert_eq!(changes.set(&grants, PUBLISH, "0", true), Ok(()));
        assert_eq!(changes.set(&grants, PUBLISH, "one more", false), Ok(()));
    }
}
