//! Reliable clients: what they are told so that they can come back, and who may.

use holdfast_hub::{Form, Hub};
use holdfast_webpubsub::client::Recovery;
use holdfast_webpubsub::json::{Outgoing, RELIABLE_SUBPROTOCOL};
use holdfast_webpubsub::token::RECONNECTION_S;

use super::super::clock::now_s;
use super::super::hubs::Config;
use super::super::messages::RELIABLE;
use super::Front;
use super::say::say;
use crate::admission::Verdict;
use crate::{ConnectionId, ConnectionName, Context};

impl Front {
    /// Tells a client who it is, and a reliable one what to show to be that again.
    pub(super) fn say_hello(&self, context: &mut Context<'_>, id: ConnectionId, config: &Config, form: Form) {
        let name = context.handle().names().name(id).to_string();
        let keys = config.keys.as_ref().unwrap_or(&self.hubs.own_keys);
        let sign = || keys.sign_reconnection(&name, now_s() + RECONNECTION_S);
        let token = (form == RELIABLE).then(sign);
        let user = context.members(|members, _| members.user(id.key).map(str::to_owned));
        let hello = Outgoing::Connected {
            user: user.as_deref(),
            connection_id: &name,
            reconnection_token: token.as_deref(),
        };
        say(context, id, &hello);
    }

    /// A client is back: its next token, before what it has missed.
    pub(super) fn greet_again(&self, context: &mut Context<'_>, id: ConnectionId) {
        if let Some((hub, form)) = self.spoken(context, id.key) {
            self.say_hello(context, id, &hub.config(), form);
        }
    }

    /// What becomes of one who wants a connection of this hub back. A refusal is 101 and 1008: anything else, and
    /// clients would try again and again.
    pub(super) fn recover(
        &self,
        context: &mut Context<'_>,
        hub: Hub,
        config: &Config,
        recovery: &Recovery,
        offered: &[String],
    ) -> Verdict {
        let found = self.find_recoverable(context, hub, config, recovery);
        let is_offered = offered.iter().any(|name| name == RELIABLE_SUBPROTOCOL);
        if let Some(id) = found.filter(|_| is_offered) {
            return Verdict::Recover { id, subprotocol: Some(RELIABLE_SUBPROTOCOL.to_owned()) };
        }
        context.counters().recoveries_refused.add(1);
        let subprotocol =
            if is_offered { Some(RELIABLE_SUBPROTOCOL) } else { offered.first().map(String::as_str) };
        Verdict::Close {
            subprotocol: subprotocol.map(str::to_owned),
            code: 1008,
            reason: "this connection cannot be recovered".to_owned(),
        }
    }

    /// The connection that a client wants back, if it is its; whether one of another shard is still there is for that
    /// shard to say.
    fn find_recoverable(
        &self,
        context: &mut Context<'_>,
        hub: Hub,
        config: &Config,
        recovery: &Recovery,
    ) -> Option<ConnectionId> {
        let Recovery { connection_id, token } = recovery;
        let name = ConnectionName::parse(connection_id)?;
        // As it was written when it was signed: perhaps before the hub had keys.
        let keys = config.keys.iter().chain([&self.hubs.own_keys]);
        if !keys.into_iter().any(|keys| keys.is_reconnection(token, &name.to_string(), now_s())) {
            return None;
        }
        let id = context.handle().names().find(name)?;
        if !context.is_mine(id) {
            return (id.shard < context.handle().shards()).then_some(id);
        }
        let spoken = context.members(|members, _| (members.hub(id.key), members.form(id.key)));
        (context.is_open(id) && spoken == (Some(hub), Some(RELIABLE))).then_some(id)
    }
}
