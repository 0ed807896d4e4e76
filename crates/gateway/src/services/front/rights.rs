//! What clients may do.

use holdfast_hub::{Action, Grants, Pattern};
use holdfast_webpubsub::role::{Permission, Scope};

/// What roles allow. Those that are not known, and those that are too many, allow nothing.
pub(in crate::services) fn grants(roles: &[String]) -> Grants {
    let mut grants = Grants::default();
    for permission in roles.iter().filter_map(|role| Permission::of_role(role)) {
        let action = action(permission.action);
        match permission.scope {
            Scope::All => grants.allow_all(action),
            Scope::Name(name) => {
                let _ = grants.allow(action, name);
            }
            Scope::Pattern(pattern) => {
                if let Ok(pattern) = Pattern::new(pattern) {
                    let _ = grants.allow_pattern(action, pattern);
                }
            }
        }
    }
    grants
}

/// The same in the core's words.
pub(in crate::services) fn action(action: holdfast_webpubsub::role::Action) -> Action {
    match action {
        holdfast_webpubsub::role::Action::JoinLeave => Action::Join,
        holdfast_webpubsub::role::Action::Send => Action::Publish,
    }
}
