//! What is known here of a connection, for whoever looks.

use std::sync::Arc;

use super::super::glance::Glance;
use super::Front;
use super::talk::Talk;
use crate::{ConnectionId, Context};

impl Front {
    /// A connection of this shard; of one that is in no hub nothing is known.
    pub(super) fn glance(&self, context: &mut Context<'_>, id: ConnectionId) -> Glance {
        let form = context.members(|members, _| members.form(id.key));
        let publishes_to = self.extras.get(&id.key).and_then(|extra| extra.publishes_to.as_ref());
        let talk = self.talks.get(&id);
        Glance {
            subprotocol: form.and_then(|form| self.subprotocol(id.key, form)),
            publishes_to: publishes_to.map(|(group, _)| Arc::clone(group)),
            is_asked_about: talk.is_some_and(|talk| talk.asked.is_some()),
            held_bytes: talk.map_or(0, Talk::held_bytes),
        }
    }
}
