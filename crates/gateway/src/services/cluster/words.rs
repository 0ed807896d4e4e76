//! The same things in the words of services and in those of other nodes. What comes from the bus is checked here.

use holdfast_cluster::ConnectionName;
use holdfast_cluster::envelope::{
    Action as WireAction, Change as WireChange, DataKind as WireKind, Sender, Target as WireTarget,
};
use holdfast_hub::{Action, Hub};
use holdfast_webpubsub::names::{is_group, is_user};
use holdfast_webpubsub::rest::{Target, Who};
use holdfast_webpubsub::role::Action as RoleAction;
use holdfast_webpubsub::{Data, DataKind};

use super::super::deeds::Change;

/// A hub, as its node calls it.
pub(super) fn hub_of(hub: Hub) -> u16 {
    hub.0.into()
}

/// Whom a service means. None for a name that nobody anywhere has.
pub(in crate::services) fn target(of: &Target) -> Option<WireTarget<'_>> {
    match of {
        Target::All => Some(WireTarget::All),
        Target::Group(name) => is_group(name).then_some(WireTarget::Group(name)),
        Target::User(name) => is_user(name).then_some(WireTarget::User(name)),
        Target::Connection(name) => ConnectionName::parse(name).map(WireTarget::Connection),
    }
}

/// The same of who is put into groups.
pub(in crate::services) fn who(of: &Who) -> Option<WireTarget<'_>> {
    match of {
        Who::User(name) => is_user(name).then_some(WireTarget::User(name)),
        Who::Connection(name) => ConnectionName::parse(name).map(WireTarget::Connection),
    }
}

/// The name of a connection, on whichever node.
pub(in crate::services) fn connection(name: &str) -> Option<ConnectionName> {
    ConnectionName::parse(name)
}

/// Whom a node means. None where it can mean nobody.
pub(super) fn meant(target: WireTarget<'_>) -> Option<Target> {
    match target {
        WireTarget::All => Some(Target::All),
        WireTarget::Group(name) => is_group(name).then(|| Target::Group(name.to_owned())),
        WireTarget::User(name) => is_user(name).then(|| Target::User(name.to_owned())),
        WireTarget::Connection(name) => Some(Target::Connection(name.to_string())),
    }
}

/// The same of who is put into groups.
pub(super) fn meant_one(target: WireTarget<'_>) -> Option<Who> {
    match meant(target)? {
        Target::User(name) => Some(Who::User(name)),
        Target::Connection(name) => Some(Who::Connection(name)),
        Target::All | Target::Group(_) => None,
    }
}

/// A group that a node names.
pub(super) fn group(name: &str) -> Option<String> {
    is_group(name).then(|| name.to_owned())
}

/// What content is.
pub(in crate::services) fn kind(kind: DataKind) -> WireKind {
    match kind {
        DataKind::Text => WireKind::Text,
        DataKind::Json => WireKind::Json,
        DataKind::Binary => WireKind::Binary,
        DataKind::Protobuf => WireKind::Protobuf,
    }
}

/// Content, if it is what its node says that it is.
pub(super) fn data(kind: WireKind, bytes: &[u8]) -> Option<Data<'_>> {
    let kind = match kind {
        WireKind::Text => DataKind::Text,
        WireKind::Json => DataKind::Json,
        WireKind::Binary => DataKind::Binary,
        WireKind::Protobuf => DataKind::Protobuf,
    };
    Data::checked(kind, bytes)
}

/// The user who has said something, if it was one. None where nobody can be called so.
pub(super) fn user(sender: Sender<'_>) -> Option<Option<&str>> {
    match sender {
        Sender::Client(Some(user)) => is_user(user).then_some(Some(user)),
        Sender::Client(None) | Sender::Service => Some(None),
    }
}

/// What a client may do.
pub(in crate::services) fn action(action: RoleAction) -> WireAction {
    match action {
        RoleAction::JoinLeave => WireAction::JoinLeave,
        RoleAction::Send => WireAction::Send,
    }
}

/// The same the other way.
pub(super) fn action_meant(action: WireAction) -> Action {
    match action {
        WireAction::JoinLeave => Action::Join,
        WireAction::Send => Action::Publish,
    }
}

/// What is done with a permission.
pub(in crate::services) fn change(change: Change) -> WireChange {
    match change {
        Change::Grant => WireChange::Grant,
        Change::Revoke => WireChange::Revoke,
        Change::Check => WireChange::Check,
    }
}

/// The same the other way.
pub(super) fn change_meant(change: WireChange) -> Change {
    match change {
        WireChange::Grant => Change::Grant,
        WireChange::Revoke => Change::Revoke,
        WireChange::Check => Change::Check,
    }
}
