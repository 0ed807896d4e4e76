//! What a client publishes to a group.

use std::sync::Arc;

use holdfast_cluster::envelope::{Excluded, Operation, Publication, Sender, Target};
use holdfast_hub::Action;
use holdfast_webpubsub::Data;
use holdfast_webpubsub::json::Outgoing;

use super::super::cluster::{Cluster, NotPublished as NotTold, words};
use super::super::hubs::LiveHub;
use super::super::messages::forms;
use super::Front;
use crate::counters::HubLimit;
use crate::{Audience, Broadcast, ConnectionId, Context, LineFull};

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
    /// Other nodes can't be told now, and settings want that nobody is then.
    Alone,
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
        let here = |context: &mut Context<'_>, group| {
            context.publish(&Audience::Group(hub.index, group), &excluded, &message)
        };
        match &self.cluster {
            None => here(context, group).map(drop).map_err(|LineFull| NotPublished::NoRoom),
            Some(cluster) => {
                let (user, publish) = (user.as_deref(), || here(context, Arc::clone(&group)));
                everywhere(cluster, hub, &Said { group: &group, user, data }, publish)
            }
        }
    }
}

/// What a client says to a group.
struct Said<'a> {
    group: &'a str,
    user: Option<&'a str>,
    data: Data<'a>,
}

/// Publishes it here and on other nodes.
fn everywhere(
    cluster: &Cluster,
    hub: &LiveHub,
    said: &Said<'_>,
    here: impl FnOnce() -> Result<Broadcast, LineFull>,
) -> Result<(), NotPublished> {
    // Nobody on another node is left out: the client is here.
    let operation = Operation::Publish(Publication {
        to: Target::Group(said.group),
        excluded: Excluded::default(),
        filter: None,
        sender: Sender::Client(said.user),
        kind: words::kind(said.data.kind),
        payload: said.data.bytes,
    });
    match cluster.publish(hub.index, &operation, here) {
        Ok(_) => Ok(()),
        Err(NotTold::Here(LineFull)) => Err(NotPublished::NoRoom),
        Err(NotTold::Elsewhere(_)) => Err(NotPublished::Alone),
    }
}
