//! What a client publishes to a group.

use std::sync::Arc;

use holdfast_hub::Action;
use holdfast_webpubsub::Data;
use holdfast_webpubsub::json::Outgoing;

use super::super::hubs::LiveHub;
use super::super::messages::forms;
use super::Front;
use crate::counters::HubLimit;
use crate::{Audience, ConnectionId, Context};

/// Why something is not published.
pub(super) enum NotPublished {
    /// The client may not publish to this group.
    Forbidden,
    /// A client that hears it could not be sent it.
    TooLong,
    /// There is no room for it now.
    NoRoom,
    /// It would pass a rate now.
    Over(HubLimit),
}

impl Front {
    /// Publishes to all members of a group, or to all but the client itself.
    pub(super) fn publish(
        &self,
        context: &mut Context<'_>,
        id: ConnectionId,
        hub: &LiveHub,
        (group, no_echo): (Arc<str>, bool),
        data: Data<'_>,
    ) -> Result<(), NotPublished> {
        if !context.members(|members, _| members.may(id.key, Action::Publish, &group)) {
            return Err(NotPublished::Forbidden);
        }
        let user = context.members(|members, _| members.user(id.key).map(str::to_owned));
        hub.rates.publish(user.as_deref(), context.now()).map_err(NotPublished::Over)?;
        let envelope = Outgoing::FromGroup { group: &group, data, from_user: user.as_deref() };
        let message = forms(hub, data, &envelope);
        if message.len() > self.frame_bytes_max {
            return Err(NotPublished::TooLong);
        }
        let excluded = if no_echo { vec![id] } else { Vec::new() };
        let published = context.publish(&Audience::Group(hub.index, group), &excluded, &message);
        published.map(drop).map_err(|_| NotPublished::NoRoom)
    }
}
