//! What is done to connections of this process for somebody outside: for services, by REST, and for other nodes of a
//! cluster. Shards are told when what is returned is polled first; [`Deeds::send`] and [`Deeds::close`] tell them at
//! once.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use holdfast_hub::{Action, Form, Hub, Kind};
use holdfast_webpubsub::rest::{Target, Who};

use super::filter::Chosen;
use super::hubs::Hubs;
use super::shards::{ask, ask_all, find, order, order_in, said, walk_all};
use crate::{Choice, ConnectionId, ConnectionName, Context, Forms, Handle};

/// What a connection hears that is closed without a reason.
const REASON: &str = "closed by the service";
/// Longest reason in a close frame (RFC 6455 5.5: 125 bytes, two of them for the code).
const REASON_BYTES_MAX: usize = 123;

/// Does it.
#[derive(Clone, Debug)]
pub(super) struct Deeds {
    pub(super) handle: Handle,
    pub(super) hubs: Arc<Hubs>,
}

/// Somebody would be in one group too many, or have one permission too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// Where a page of a list begins: in which shard, and how far into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) shard: u16,
    pub(super) rest: Option<u32>,
}

/// A page of a group's members, and where the next one begins.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) members: Vec<(ConnectionName, Option<String>)>,
    pub(super) next: Option<Place>,
}

/// What is done with a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Grant,
    Revoke,
    Check,
}

/// What came of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// It was done, or is so.
    Yes,
    /// It is not so.
    No,
    TooMany,
}

impl Deeds {
    /// Sends a message to one connection of a hub. Its shard has been told when this returns; the future is over when
    /// it is done, and then `held` is dropped.
    pub(super) fn send<H: Send + 'static>(
        &self,
        hub: Hub,
        id: ConnectionId,
        message: Forms,
        deliveries: &Arc<AtomicU64>,
        held: H,
    ) -> impl Future<Output = ()> + Send + use<H> {
        let deliveries = Arc::clone(deliveries);
        let work = move |context: &mut Context<'_>| {
            if is_in(context, hub, id)
                && let Some(form) = form_of_meant(context, id, message.choice())
            {
                let is_there = context.send_prepared(id, message.of(form));
                deliveries.fetch_add(is_there.into(), Relaxed);
            }
            drop(held);
        };
        // A shard that has ended has no connections.
        let ordered = order(&self.handle, id.shard, work).into_iter().collect();
        async move { drop(said(ordered).await) }
    }

    /// Closes connections. Shards have been told when this returns; the future is over when it is done.
    pub(super) fn close(
        &self,
        hub: Hub,
        of: Target,
        excluded: Vec<ConnectionId>,
        reason: Option<&str>,
    ) -> impl Future<Output = ()> + Send + use<> {
        self.close_in(0..self.handle.shards(), hub, Arc::new(of), excluded.into(), reason)
    }

    /// The same in some shards only.
    pub(super) fn close_in<S: IntoIterator<Item = u16>>(
        &self,
        shards: S,
        hub: Hub,
        of: Arc<Target>,
        excluded: Arc<[ConnectionId]>,
        reason: Option<&str>,
    ) -> impl Future<Output = ()> + Send + use<S> {
        let reason: Arc<str> = reason.unwrap_or(REASON).into();
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
        let ordered = order_in(&self.handle, shards, work);
        async move { drop(said(ordered).await) }
    }

    /// How many connections there are.
    pub(super) async fn exists(self, hub: Hub, what: Target) -> u32 {
        let what = Arc::new(what);
        let work = move |context: &mut Context<'_>| {
            let count = match &*what {
                Target::All => return context.members(|members, _| members.counts(hub).connections),
                Target::Group(name) => context.members(|it, _| it.keys(hub, Kind::Group, name).len()),
                Target::User(name) => context.members(|it, _| it.keys(hub, Kind::User, name).len()),
                Target::Connection(_) => those(context, hub, &what).len(),
            };
            small(count)
        };
        ask_all(&self.handle, work).await.into_iter().fold(0, u32::saturating_add)
    }

    /// Puts into a group. How many connections there were.
    pub(super) async fn join(self, hub: Hub, who: Who, group: String) -> Result<u32, TooMany> {
        let (who, hubs) = (Arc::new(who), Arc::clone(&self.hubs));
        let work = move |context: &mut Context<'_>| {
            let there = those_of(context, hub, &who);
            let joined = there.iter().all(|id| join(context, &hubs, hub, *id, &group));
            if joined { Ok(small(there.len())) } else { Err(TooMany) }
        };
        ask_all(&self.handle, work).await.into_iter().try_fold(0, |all, of_shard| Ok(all + of_shard?))
    }

    /// Takes out of a group, or of all. How many connections there were.
    pub(super) async fn leave(self, hub: Hub, who: Who, group: Option<String>) -> u32 {
        let who = Arc::new(who);
        let work = move |context: &mut Context<'_>| {
            let there = those_of(context, hub, &who);
            for id in &there {
                context.members(|members, deliver| match &group {
                    Some(group) => drop(members.quit(id.key, group, deliver)),
                    None => drop(members.quit_all(id.key, deliver)),
                });
            }
            small(there.len())
        };
        ask_all(&self.handle, work).await.into_iter().fold(0, u32::saturating_add)
    }

    /// Puts all connections of a hub that are chosen into groups, or takes them out. How many those were.
    pub(super) async fn change_groups(
        self,
        hub: Hub,
        groups: Vec<String>,
        chosen: Option<Arc<Chosen>>,
        is_join: bool,
    ) -> Result<u32, TooMany> {
        let (groups, hubs): (Arc<[String]>, _) = (groups.into(), Arc::clone(&self.hubs));
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
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
                counted.fetch_add(1, Relaxed);
                groups.iter().all(|group| {
                    if is_join {
                        return join(context, &hubs, hub, id, group);
                    }
                    context.members(|members, deliver| members.quit(key, group, deliver));
                    true
                })
            })
        });
        if changed.await { Ok(count.load(Relaxed)) } else { Err(TooMany) }
    }

    /// Something with a permission of a connection of this process. None where it is not there.
    pub(super) async fn permission(
        self,
        hub: Hub,
        connection: String,
        change: Change,
        (action, group): (Action, Option<String>),
    ) -> Option<Changed> {
        let id = find(&self.handle, &connection)?;
        let work = move |context: &mut Context<'_>| {
            is_in(context, hub, id).then(|| {
                let group = group.as_deref();
                context.members(|members, _| match change {
                    Change::Grant => of(members.grant(id.key, action, group).is_ok(), Changed::TooMany),
                    Change::Revoke => of(members.revoke(id.key, action, group).is_ok(), Changed::TooMany),
                    Change::Check => of(members.may(id.key, action, group.unwrap_or_default()), Changed::No),
                })
            })
        };
        ask(&self.handle, id.shard, work).await?
    }

    /// Some members of a group, at most so many: of one shard after the other.
    pub(super) async fn page(self, hub: Hub, group: String, most: u32, from: Place) -> Page {
        let (mut place, mut members) = (from, Vec::new());
        while place.shard < self.handle.shards() && small(members.len()) < most {
            let (group, names) = (group.clone(), self.handle.clone());
            let (most, from) = (most - small(members.len()), place.rest);
            let page = ask(&self.handle, place.shard, move |context| {
                let (keys, rest) = context.members(|members, _| {
                    let page = members.page(hub, Kind::Group, &group, from, most);
                    let who = |key: &u32| (*key, members.user(*key).map(str::to_owned));
                    (page.keys.iter().map(who).collect::<Vec<_>>(), page.rest)
                });
                let named =
                    keys.into_iter().map(|(key, user)| (names.names().name(context.id_of(key)), user));
                (named.collect::<Vec<_>>(), rest)
            })
            .await;
            let (some, rest) = page.unwrap_or_default();
            members.extend(some);
            place = match rest {
                Some(_) => Place { rest, ..place },
                None => Place { shard: place.shard + 1, rest: None },
            };
        }
        Page { members, next: (place.shard < self.handle.shards()).then_some(place) }
    }
}

impl Place {
    /// From how it is written.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (shard, rest) = match text.split_once('-') {
            Some((shard, rest)) => (shard, Some(rest.parse().ok()?)),
            None => (text, None),
        };
        Some(Self { shard: shard.parse().ok()?, rest })
    }
}

/// `SHARD-REST`.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.rest {
            Some(rest) => write!(f, "{}-{rest}", self.shard),
            None => write!(f, "{}", self.shard),
        }
    }
}

fn of(is_so: bool, otherwise: Changed) -> Changed {
    if is_so { Changed::Yes } else { otherwise }
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Makes a connection a member of a group. Whether it is one now.
fn join(context: &mut Context<'_>, hubs: &Hubs, hub: Hub, id: ConnectionId, group: &str) -> bool {
    let joined = context.members(|members, deliver| members.join(id.key, group, deliver));
    if let (Err(too_many), Some(live)) = (joined, hubs.at(hub)) {
        live.count_too_many(context.shard(), too_many);
    }
    joined.is_ok()
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
