//! What roles allow a client.

use crate::names::is_group;

/// What a client may do with groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Join and leave.
    JoinLeave,
    /// Publish.
    Send,
}

/// With which groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope<'r> {
    /// All.
    All,
    /// The one with this name.
    Name(&'r str),
    /// Those whose names match. What a pattern may be is not checked here.
    Pattern(&'r str),
}

/// What one role allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permission<'r> {
    /// What may be done.
    pub action: Action,
    /// Where.
    pub scope: Scope<'r>,
}

impl<'r> Permission<'r> {
    /// Reads a role: `webpubsub.joinLeaveGroup` and `webpubsub.sendToGroup`, for all groups or, with `.` and a name
    /// behind, for one; `webpubsub.joinLeaveGroups.` and `webpubsub.sendToGroups.` with a pattern behind. Other roles
    /// allow nothing. Letter case counts.
    #[must_use]
    pub fn of_role(role: &'r str) -> Option<Self> {
        let role = role.strip_prefix("webpubsub.")?;
        let (action, rest) = match role.strip_prefix("joinLeaveGroup") {
            Some(rest) => (Action::JoinLeave, rest),
            None => (Action::Send, role.strip_prefix("sendToGroup")?),
        };
        let scope = match (rest, rest.strip_prefix('.'), rest.strip_prefix("s.")) {
            ("", ..) => Scope::All,
            (_, Some(name), _) if is_group(name) => Scope::Name(name),
            (.., Some(pattern)) if is_group(pattern) => Scope::Pattern(pattern),
            _ => return None,
        };
        Some(Self { action, scope })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_allows_one_thing_in_all_groups_in_one_or_where_names_match() {
        use Action::{JoinLeave, Send};
        for (role, action, scope) in [
            ("webpubsub.joinLeaveGroup", JoinLeave, Scope::All),
            ("webpubsub.sendToGroup", Send, Scope::All),
            ("webpubsub.joinLeaveGroup.a.b", JoinLeave, Scope::Name("a.b")),
            ("webpubsub.sendToGroup.*", Send, Scope::Name("*")),
            ("webpubsub.joinLeaveGroups.room.*", JoinLeave, Scope::Pattern("room.*")),
            ("webpubsub.sendToGroups.**", Send, Scope::Pattern("**")),
        ] {
            assert_eq!(Permission::of_role(role), Some(Permission { action, scope }), "{role}");
        }
    }

    #[test]
    fn other_roles_allow_nothing() {
        for role in [
            "",
            "admin",
            "webpubsub.",
            "webpubsub.joinLeaveGroup.",
            "webpubsub.joinLeaveGroups",
            "webpubsub.joinLeaveGroups.",
            "webpubsub.sendToGroupx",
            "webpubsub.sendToGroup. ",
            "WebPubSub.sendToGroup",
            "webpubsub.sendtogroup",
            " webpubsub.sendToGroup",
            &format!("webpubsub.sendToGroup.{}", "a".repeat(1025)),
        ] {
            assert_eq!(Permission::of_role(role), None, "{role}");
        }
    }
}
