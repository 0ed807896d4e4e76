//! What is asked for is done.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use holdfast_hub::{Form, Hub, Kind};
use holdfast_webpubsub::Data;
use holdfast_webpubsub::json::Outgoing;
use holdfast_webpubsub::rest::{
    Call, GroupsBody, Member, NextPage, Permit, RestError, Target, Who, payload, write_page, write_token,
};
use holdfast_webpubsub::token::{Audiences, ClientToken, sign_client};

use super::super::clock::now_s;
use super::super::filter::{self, Chosen};
use super::super::front::action;
use super::super::hubs::{Hubs, LiveHub};
use super::super::messages::forms;
use super::shards::{ask, ask_all, find, walk_all};
use super::{Asked, Rest};
use crate::{Audience, Choice, ConnectionId, Context};

/// A body in JSON, or none.
type Answer = Result<Option<Vec<u8>>, RestError>;

/// What a connection hears that is closed without a reason.
const REASON: &str = "closed by the service";
/// Longest reason in a close frame (RFC 6455 5.5: 125 bytes, two of them for the code).
const REASON_BYTES_MAX: usize = 123;

impl Rest {
    pub(super) async fn call(&self, asked: Asked, body: &[u8]) -> Answer {
        let live = Arc::clone(&asked.hub);
        let hub = live.index;
        match asked.call {
            Call::Send { ref to, ref excluded, ref filter, .. } => {
                let data = payload(asked.content_type.as_deref(), body)?;
                let chosen = filter::read(filter.as_deref())?;
                self.send(&live, to, (excluded, chosen), data).await
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
            Call::Grant(permit) => self.grant(hub, permit, true).await,
            Call::Revoke(permit) => match self.grant(hub, permit, false).await {
                // It has none already.
                Err(error) if error.status() == 404 => Ok(None),
                other => other,
            },
            Call::Check(permit) => self.check(hub, permit).await,
            Call::GenerateToken { ref user, ref roles, ref groups, minutes } => {
                generate_token(&asked, user.as_deref(), roles, groups, minutes)
            }
        }
    }

    async fn send(
        &self,
        live: &LiveHub,
        to: &Target,
        (excluded, chosen): (&[String], Option<Arc<Chosen>>),
        data: Data<'_>,
    ) -> Answer {
        let hub = live.index;
        let envelope = match to {
            Target::Group(group) => Outgoing::FromGroup { group, data, from_user: None },
            _ => Outgoing::FromServer { data },
        };
        let message = forms(live, data, &envelope);
        let message = message.chosen_by(chosen.map(|chosen| chosen as Arc<dyn Choice>));
        if message.len() > self.frame_bytes_max {
            return Err(RestError::too_large("no client could be sent a message as long as this"));
        }
        let to = match to {
            Target::All => Audience::Hub(hub),
            Target::Group(group) => Audience::Group(hub, group.as_str().into()),
            Target::User(user) => Audience::User(hub, user.as_str().into()),
            Target::Connection(name) => {
                let Some(id) = find(&self.handle, name) else { return Ok(None) };
                let deliveries = Arc::clone(live.counts.deliveries());
                ask(&self.handle, id.shard, move |context| {
                    if is_in(context, hub, id)
                        && let Some(form) = form_of_meant(context, id, message.choice())
                    {
                        let is_there = context.send_prepared(id, message.of(form));
                        deliveries.fetch_add(is_there.into(), Relaxed);
                    }
                })
                .await;
                return Ok(None);
            }
        };
        let excluded: Vec<_> = excluded.iter().filter_map(|name| find(&self.handle, name)).collect();
        let published = self.handle.publish(&to, &excluded, &message);
        let full = |_| RestError::unavailable("too many messages are under way, please try again later");
        published.map_err(full)?.taken().await;
        Ok(None)
    }

    async fn close(&self, hub: Hub, of: Target, excluded: &[String], reason: Option<String>) -> Answer {
        let excluded: Vec<_> = excluded.iter().filter_map(|name| find(&self.handle, name)).collect();
        let (of, reason): (_, Arc<str>) = (Arc::new(of), reason.as_deref().unwrap_or(REASON).into());
        let hubs = Arc::clone(&self.hubs);
        let work = move |context: &mut Context<'_>| {
            let short = cut(&reason);
            for id in those(context, hub, &of).into_iter().filter(|id| !excluded.contains(id)) {
                // Who has the subprotocol hears all of it before the close frame.
                if short.len() < reason.len() {
                    hubs.keep_reason(id, &reason);
                }
                context.close(id, 1000, short);
            }
        };
        ask_all(&self.handle, work).await;
        Ok(None)
    }

    async fn exists(&self, hub: Hub, what: Target) -> Answer {
        let what = Arc::new(what);
        let work = move |context: &mut Context<'_>| match &*what {
            Target::All => context.members(|members, _| members.counts(hub).connections > 0),
            Target::Group(name) => context.members(|it, _| !it.keys(hub, Kind::Group, name).is_empty()),
            Target::User(name) => context.members(|it, _| !it.keys(hub, Kind::User, name).is_empty()),
            Target::Connection(_) => !those(context, hub, &what).is_empty(),
        };
        found(ask_all(&self.handle, work).await.contains(&true), "nobody is there")
    }

    async fn join(&self, hub: Hub, who: Who, group: String) -> Answer {
        let (who, hubs) = (Arc::new(who), Arc::clone(&self.hubs));
        let work = move |context: &mut Context<'_>| {
            let there = those_of(context, hub, &who);
            let joined = there.iter().all(|id| join(context, &hubs, hub, *id, &group));
            (there.len(), joined)
        };
        let said = ask_all(&self.handle, work).await;
        if said.iter().any(|(_, joined)| !joined) {
            return Err(RestError::new(429, "Error.TooManyGroups", "this would be one group too many"));
        }
        found(said.iter().any(|(there, _)| *there > 0), "there is no such connection")
    }

    async fn leave(&self, hub: Hub, who: Who, group: Option<String>) -> Answer {
        let who = Arc::new(who);
        ask_all(&self.handle, move |context: &mut Context<'_>| {
            for id in those_of(context, hub, &who) {
                context.members(|members, deliver| match &group {
                    Some(group) => drop(members.quit(id.key, group, deliver)),
                    None => drop(members.quit_all(id.key, deliver)),
                });
            }
        })
        .await;
        Ok(None)
    }

    async fn change_groups(&self, hub: Hub, body: GroupsBody, is_join: bool) -> Answer {
        let chosen = filter::read(body.filter.as_deref())?;
        let (groups, hubs): (Arc<[String]>, _) = (body.groups.into(), Arc::clone(&self.hubs));
        let changed = walk_all(&self.handle, move |context, keys| {
            keys.into_iter().all(|key| {
                if context.members(|members, _| members.hub(key)) != Some(hub) {
                    return true;
                }
                let (id, choice) =
                    (context.id_of(key), chosen.as_deref().map(|chosen| chosen as &dyn Choice));
                // Before any of its groups changes, since a filter may ask for them.
                if form_of_meant(context, id, choice).is_none() {
                    return true;
                }
                groups.iter().all(|group| {
                    if is_join {
                        return join(context, &hubs, hub, id, group);
                    }
                    context.members(|members, deliver| members.quit(key, group, deliver));
                    true
                })
            })
        });
        match changed.await {
            false => Err(RestError::new(429, "Error.TooManyGroups", "this would be one group too many")),
            true => Ok(None),
        }
    }

    /// A page of a group's members: of one shard after the other. Where it goes on is said as `SHARD-REST`.
    async fn list(
        &self,
        asked: &Asked,
        group: &str,
        page_size: u16,
        top: Option<u32>,
        continuation: Option<&str>,
    ) -> Answer {
        let hub = asked.hub.index;
        let (mut shard, mut rest) = match continuation {
            None => (0, None),
            Some(text) => place(text).ok_or_else(|| {
                RestError::bad_request("continuationToken", "this is no token that was given out here")
            })?,
        };
        let wanted = u32::from(page_size).min(top.unwrap_or(u32::MAX));
        let mut members: Vec<(String, Option<String>)> = Vec::new();
        let names = self.handle.clone();
        while shard < self.handle.shards() && (members.len() as u64) < u64::from(wanted) {
            let (group, names) = (group.to_owned(), names.clone());
            let most = wanted - u32::try_from(members.len()).unwrap_or(wanted);
            let page = ask(&self.handle, shard, move |context| {
                let (keys, rest) = context.members(|members, _| {
                    let page = members.page(hub, Kind::Group, &group, rest, most);
                    let who = |key: &u32| (*key, members.user(*key).map(str::to_owned));
                    (page.keys.iter().map(who).collect::<Vec<_>>(), page.rest)
                });
                let named = keys.into_iter().map(|(key, user)| {
                    let id = context.id_of(key);
                    (names.names().name(id).to_string(), user)
                });
                (named.collect::<Vec<_>>(), rest)
            })
            .await;
            let (some, more) = page.unwrap_or_default();
            members.extend(some);
            rest = more;
            if rest.is_none() {
                shard += 1;
            }
        }
        let top = top.map(|top| top.saturating_sub(u32::try_from(members.len()).unwrap_or(u32::MAX)));
        let is_more = shard < self.handle.shards() && top != Some(0);
        let continuation = rest.map_or_else(|| format!("{shard}"), |rest| format!("{shard}-{rest}"));
        let next = NextPage {
            endpoint: &asked.endpoint,
            hub: &asked.hub.name,
            group,
            page_size,
            top,
            continuation: &continuation,
        };
        let page = members.iter().map(|(id, user)| Member { connection_id: id, user: user.as_deref() });
        Ok(Some(write_page(page, is_more.then_some(&next))))
    }

    async fn grant(&self, hub: Hub, permit: Permit, is_granted: bool) -> Answer {
        let there = self.on_connection(hub, &permit.connection, move |context, id| {
            let (action, group) = (action(permit.action), permit.group.as_deref());
            context.members(|members, _| match is_granted {
                true => members.grant(id.key, action, group).is_ok(),
                false => members.revoke(id.key, action, group).is_ok(),
            })
        });
        match there.await {
            Some(true) => Ok(None),
            Some(false) => {
                Err(RestError::new(429, "Error.TooManyPermissions", "this would be one group too many"))
            }
            None => found(false, "there is no such connection"),
        }
    }

    async fn check(&self, hub: Hub, permit: Permit) -> Answer {
        let has = self.on_connection(hub, &permit.connection, move |context, id| {
            let action = action(permit.action);
            context.members(|members, _| {
                members.may(id.key, action, permit.group.as_deref().unwrap_or_default())
            })
        });
        found(has.await == Some(true), "it has no such permission")
    }

    /// Does something with a connection of a hub, if it is there.
    async fn on_connection<R: Send + 'static>(
        &self,
        hub: Hub,
        name: &str,
        work: impl FnOnce(&mut Context<'_>, ConnectionId) -> R + Send + 'static,
    ) -> Option<R> {
        let id = find(&self.handle, name)?;
        ask(&self.handle, id.shard, move |context| is_in(context, hub, id).then(|| work(context, id))).await?
    }
}

/// Makes a connection a member of a group. Whether it is one now.
fn join(context: &mut Context<'_>, hubs: &Hubs, hub: Hub, id: ConnectionId, group: &str) -> bool {
    let joined = context.members(|members, deliver| members.join(id.key, group, deliver));
    if let (Err(too_many), Some(live)) = (joined, hubs.at(hub)) {
        live.count_too_many(context.shard(), too_many);
    }
    joined.is_ok()
}

fn found(is_found: bool, otherwise: &'static str) -> Answer {
    if is_found { Ok(None) } else { Err(RestError::not_found(otherwise)) }
}

/// Whether a connection of this shard is open and in a hub.
fn is_in(context: &mut Context<'_>, hub: Hub, id: ConnectionId) -> bool {
    context.is_open(id) && context.members(|members, _| members.hub(id.key)) == Some(hub)
}

/// How a connection of this shard that is in a hub is spoken to, if it is meant.
fn form_of_meant(context: &mut Context<'_>, id: ConnectionId, choice: Option<&dyn Choice>) -> Option<Form> {
    let Some(choice) = choice else { return context.members(|members, _| members.form(id.key)) };
    let handle = context.handle().clone();
    let name = || handle.names().name(id).to_string();
    context.members(|members, _| {
        let one = members.receiver(id.key)?;
        choice.is_meant(one, &name).then_some(one.form)
    })
}

/// The connections of this shard that are meant.
fn those(context: &mut Context<'_>, hub: Hub, target: &Target) -> Vec<ConnectionId> {
    let keys: Vec<u32> = match target {
        Target::All => context
            .members(|members, _| (0..members.end()).filter(|key| members.hub(*key) == Some(hub)).collect()),
        Target::Group(name) => context.members(|members, _| members.keys(hub, Kind::Group, name).to_vec()),
        Target::User(name) => context.members(|members, _| members.keys(hub, Kind::User, name).to_vec()),
        Target::Connection(name) => {
            let id = find(&context.handle().clone(), name);
            return id.filter(|id| context.is_mine(*id) && is_in(context, hub, *id)).into_iter().collect();
        }
    };
    keys.into_iter().map(|key| context.id_of(key)).collect()
}

fn those_of(context: &mut Context<'_>, hub: Hub, who: &Who) -> Vec<ConnectionId> {
    match who {
        Who::User(name) => those(context, hub, &Target::User(name.clone())),
        Who::Connection(name) => those(context, hub, &Target::Connection(name.clone())),
    }
}

/// As much of a reason as a close frame takes.
fn cut(reason: &str) -> &str {
    let end = (0..=REASON_BYTES_MAX.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end));
    &reason[..end.unwrap_or_default()]
}

/// Where a page begins.
fn place(text: &str) -> Option<(u16, Option<u32>)> {
    match text.split_once('-') {
        Some((shard, rest)) => Some((shard.parse().ok()?, Some(rest.parse().ok()?))),
        None => Some((text.parse().ok()?, None)),
    }
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
