//! What is asked for is done: on this node, and on the others of its cluster if it is in one.

use std::convert::Infallible;
use std::sync::Arc;

use holdfast_cluster::bus::Refused;
use holdfast_cluster::envelope::{
    Excluded, Groups, Operation, Publication, Refusal, Sender, Target as WireTarget,
};
use holdfast_cluster::questions::{Outcome, Rule};
use holdfast_hub::Hub;
use holdfast_webpubsub::Data;
use holdfast_webpubsub::json::Outgoing;
use holdfast_webpubsub::rest::{Call, GroupsBody, Permit, RestError, Target, Who, payload, write_token};
use holdfast_webpubsub::token::{Audiences, ClientToken, sign_client};

use super::super::clock::now_s;
use super::super::cluster::NotPublished;
use super::super::cluster::words;
use super::super::deeds::{Change, Changed, TooMany};
use super::super::filter;
use super::super::front::action;
use super::super::hubs::LiveHub;
use super::super::messages::forms;
use super::super::shards::find;
use super::{Asked, Rest};
use crate::{Audience, Choice, ConnectionId, Forms, LineFull};

/// A body in JSON, or none.
pub(super) type Answer = Result<Option<Vec<u8>>, RestError>;

impl Rest {
    pub(super) async fn call(&self, asked: Asked, body: &[u8]) -> Answer {
        let live = Arc::clone(&asked.hub);
        let hub = live.index;
        match asked.call {
            Call::Send { ref to, ref excluded, ref filter, .. } => {
                let data = payload(asked.content_type.as_deref(), body)?;
                self.send(&live, to, (excluded, filter.as_deref()), data).await
            }
            Call::Close { of, excluded, reason } => self.close(hub, of, &excluded, reason).await,
            Call::Exists { what } => self.exists(hub, what).await,
            Call::Join { who, group } => self.join(hub, who, group).await,
            Call::Leave { who, group } => self.leave(hub, who, group).await,
            Call::ChangeGroups { join } => {
                let body = GroupsBody::read(asked.content_type.as_deref(), body)?;
                self.change_groups(hub, body, join).await
            }
            Call::List { ref group, page_size, top, ref continuation } => {
                self.list(&asked, group, page_size, top, continuation.as_deref()).await
            }
            Call::Grant(permit) => self.permission(hub, permit, Change::Grant).await,
            Call::Revoke(permit) => match self.permission(hub, permit, Change::Revoke).await {
                // It has none already.
                Err(error) if error.status() == 404 => Ok(None),
                other => other,
            },
            Call::Check(permit) => self.permission(hub, permit, Change::Check).await,
            Call::GenerateToken { ref user, ref roles, ref groups, minutes } => {
                generate_token(&asked, user.as_deref(), roles, groups, minutes)
            }
        }
    }

    async fn send(
        &self,
        live: &LiveHub,
        to: &Target,
        (excluded, filter): (&[String], Option<&str>),
        data: Data<'_>,
    ) -> Answer {
        let envelope = match to {
            Target::Group(group) => Outgoing::FromGroup { group, data, from_user: None },
            _ => Outgoing::FromServer { data },
        };
        let chosen = filter::read(filter)?;
        let message = forms(live, data, &envelope).chosen_by(chosen.map(|chosen| chosen as Arc<dyn Choice>));
        if message.len() > self.frame_bytes_max {
            return Err(RestError::too_large("no client could be sent a message as long as this"));
        }
        let (here, names) = self.excluded(excluded);
        let excluded = of_names(&names)?;
        let operation = words::target(to).map(|to| {
            let (sender, kind, payload) = (Sender::Service, words::kind(data.kind), data.bytes);
            Operation::Publish(Publication { to, excluded, filter, sender, kind, payload })
        });
        let hub = live.index;
        let audience = match to {
            Target::All => Audience::Hub(hub),
            Target::Group(group) => Audience::Group(hub, group.as_str().into()),
            Target::User(user) => Audience::User(hub, user.as_str().into()),
            Target::Connection(name) => {
                return self.send_to_one(live, name, operation.as_ref(), message).await;
            }
        };
        let publish = || self.handle.publish(&audience, &here, &message);
        let published = self.publish(hub, operation.as_ref(), publish).map_err(not_published)?;
        published.taken().await;
        Ok(None)
    }

    async fn send_to_one(
        &self,
        live: &LiveHub,
        name: &str,
        operation: Option<&Operation<'_>>,
        message: Forms,
    ) -> Answer {
        match find(&self.handle, name) {
            Some(id) => self.deeds().send(live.index, id, message, live.counts.deliveries(), ()).await,
            None => self.publish(live.index, operation, nothing).map_err(nobody_was_told)?,
        }
        Ok(None)
    }

    async fn close(&self, hub: Hub, of: Target, excluded: &[String], reason: Option<String>) -> Answer {
        let (here, names) = self.excluded(excluded);
        let (excluded, reason) = (of_names(&names)?, reason.as_deref());
        let is_here = match &of {
            Target::Connection(name) => Some(find(&self.handle, name).is_some()),
            _ => None,
        };
        let operation = words::target(&of).map(|of| Operation::Close { of, excluded, reason });
        // What concerns only this node is done whatever becomes of the bus.
        let operation = operation.filter(|_| is_here != Some(true));
        let close = || {
            let closed = (is_here != Some(false)).then(|| self.deeds().close(hub, of.clone(), here, reason));
            Ok::<_, Infallible>(closed)
        };
        if let Some(closed) = self.publish(hub, operation.as_ref(), close).map_err(nobody_was_told)? {
            closed.await;
        }
        Ok(None)
    }

    async fn exists(&self, hub: Hub, what: Target) -> Answer {
        let is_one = matches!(what, Target::Connection(_));
        if self.deeds().exists(hub, what.clone()).await > 0 {
            return Ok(None);
        }
        let rule = if is_one { Rule::Sum } else { Rule::FirstYes };
        let operation = words::target(&what).map(|what| Operation::Exists { what });
        let said = self.ask(hub, operation.as_ref(), rule).await;
        done(said, found(false, "nobody is there"))
    }

    async fn join(&self, hub: Hub, who: Who, group: String) -> Answer {
        let there = self.deeds().join(hub, who.clone(), group.clone()).await.map_err(too_many_groups)?;
        let is_found = found(there > 0, "there is no such connection");
        let operation = words::who(&who).map(|who| Operation::Join { who, group: &group });
        done(self.ask(hub, operation.as_ref(), Rule::Sum).await, is_found)
    }

    async fn leave(&self, hub: Hub, who: Who, group: Option<String>) -> Answer {
        self.deeds().leave(hub, who.clone(), group.clone()).await;
        let operation = words::who(&who).map(|who| Operation::Leave { who, group: group.as_deref() });
        done(self.ask(hub, operation.as_ref(), Rule::Sum).await, Ok(None))
    }

    async fn change_groups(&self, hub: Hub, body: GroupsBody, is_join: bool) -> Answer {
        let GroupsBody { groups, filter } = body;
        let chosen = filter::read(filter.as_deref())?;
        let names = self.cluster.as_ref().map(|_| Groups::bytes(groups.iter().map(String::as_str)));
        self.deeds().change_groups(hub, groups, chosen, is_join).await.map_err(too_many_groups)?;
        // In UTF-8 they are no longer than they were in JSON: what was a body fits into an envelope.
        let names = names.as_deref().and_then(Groups::of);
        let operation =
            names.map(|groups| Operation::ChangeGroups { join: is_join, groups, filter: filter.as_deref() });
        done(self.ask(hub, operation.as_ref(), Rule::Sum).await, Ok(None))
    }

    async fn permission(&self, hub: Hub, permit: Permit, change: Change) -> Answer {
        let Permit { connection, action: of, group } = permit;
        let nobody = match change {
            Change::Check => "it has no such permission",
            Change::Grant | Change::Revoke => "there is no such connection",
        };
        if find(&self.handle, &connection).is_some() {
            let done = self.deeds().permission(hub, connection, change, (action(of), group)).await;
            return match done {
                Some(Changed::Yes) => Ok(None),
                Some(Changed::TooMany) => Err(too_many_permissions()),
                Some(Changed::No) | None => found(false, nobody),
            };
        }
        let operation = words::connection(&connection).map(|connection| Operation::Permission {
            change: words::change(change),
            connection,
            action: words::action(of),
            group: group.as_deref(),
        });
        match self.ask(hub, operation.as_ref(), Rule::Sum).await {
            Outcome::Refused(Refusal::TooMany) => Err(too_many_permissions()),
            outcome => done(outcome, found(false, nobody)),
        }
    }

    /// Publishes here, and on other nodes where there is something to be published there.
    fn publish<R, E>(
        &self,
        hub: Hub,
        operation: Option<&Operation<'_>>,
        here: impl FnOnce() -> Result<R, E>,
    ) -> Result<R, NotPublished<E>> {
        match self.cluster.as_deref().zip(operation) {
            Some((cluster, operation)) => cluster.publish(hub, operation, here),
            None => here().map_err(NotPublished::Here),
        }
    }

    /// What other nodes say, if there is something to be asked. Without any, nobody is there; nor is a connection of
    /// this one anywhere else.
    async fn ask(&self, hub: Hub, operation: Option<&Operation<'_>>, rule: Rule) -> Outcome {
        let Some((cluster, operation)) = self.cluster.as_ref().zip(operation) else { return Outcome::Nobody };
        if let Some(WireTarget::Connection(name)) = operation.target()
            && name.node() == cluster.own()
        {
            return Outcome::Nobody;
        }
        cluster.ask(hub, operation, rule).said().await.outcome
    }

    /// Those of this process among connections that are left out, and all others, as envelopes have them.
    fn excluded(&self, names: &[String]) -> (Vec<ConnectionId>, Vec<u8>) {
        let here = names.iter().filter_map(|name| find(&self.handle, name)).collect();
        let Some(cluster) = &self.cluster else { return (here, Vec::new()) };
        let all = names.iter().filter_map(|name| words::connection(name));
        (here, Excluded::bytes(all.filter(|name| name.node() != cluster.own())))
    }
}

/// Connections that are left out, as envelopes have them.
fn of_names(names: &[u8]) -> Result<Excluded<'_>, RestError> {
    Excluded::of(names).ok_or_else(|| RestError::bad_request("excluded", "these are too many connections"))
}

/// Nothing is to be done here.
fn nothing() -> Result<(), Infallible> {
    Ok(())
}

fn not_published(why: NotPublished<LineFull>) -> RestError {
    match why {
        NotPublished::Elsewhere(why) => refused(why),
        NotPublished::Here(LineFull) => {
            RestError::unavailable("too many messages are under way, please try again later")
        }
    }
}

fn nobody_was_told(why: NotPublished<Infallible>) -> RestError {
    match why {
        NotPublished::Elsewhere(why) => refused(why),
        NotPublished::Here(never) => match never {},
    }
}

/// The bus has not taken something, and so nobody has got it.
fn refused(why: Refused) -> RestError {
    match why {
        Refused::Away => RestError::unavailable("other nodes cannot be reached now, please try again later"),
        Refused::Full => RestError::unavailable("too much waits for other nodes now, please try again later"),
        Refused::TooLarge => RestError::too_large("other nodes could not be sent a message as long as this"),
    }
}

/// What a service hears, by what other nodes have said. `nobody` is for when nobody is there on any of them.
fn done(outcome: Outcome, nobody: Answer) -> Answer {
    match outcome {
        Outcome::Some(_) => Ok(None),
        Outcome::Nobody => nobody,
        Outcome::Refused(Refusal::TooMany) => Err(too_many_groups(TooMany)),
        Outcome::Refused(Refusal::Unavailable | Refusal::Unsupported) | Outcome::Silent => Err(unknown()),
    }
}

/// A node has not said what it is asked.
pub(super) fn unknown() -> RestError {
    RestError::unavailable("not all nodes have answered, please try again later")
}

fn found(is_found: bool, otherwise: &'static str) -> Answer {
    if is_found { Ok(None) } else { Err(RestError::not_found(otherwise)) }
}

fn too_many_groups(_: TooMany) -> RestError {
    RestError::new(429, "Error.TooManyGroups", "this would be one group too many")
}

fn too_many_permissions() -> RestError {
    RestError::new(429, "Error.TooManyPermissions", "this would be one permission too many")
}

fn generate_token(
    asked: &Asked,
    user: Option<&str>,
    roles: &[String],
    groups: &[String],
    minutes: u32,
) -> Answer {
    let config = asked.hub.config();
    let Some(keys) = &config.keys else { return Err(RestError::unauthorized("this hub has no access key")) };
    let now = now_s();
    let token = ClientToken {
        audience: &Audiences::client(&asked.endpoint, &asked.hub.name),
        user,
        roles,
        groups,
        issued_s: now,
        expires_s: now + u64::from(minutes) * 60,
    };
    Ok(Some(write_token(&sign_client(&keys.primary, &token))))
}
