//! Messages of the JSON subprotocol to one client.

use holdfast_webpubsub::json::Outgoing;

use super::super::messages::json;
use crate::{ConnectionId, Context};

/// Sends a message of the subprotocol.
pub(super) fn say(context: &mut Context<'_>, id: ConnectionId, message: &Outgoing<'_>) {
    context.send_prepared(id, &json(message));
}
