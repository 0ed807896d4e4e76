//! What is said to another node's question.

use std::sync::Arc;

use holdfast_cluster::envelope::{Answer, Member, Members, OVERHEAD_MAX, Operation, Refusal, Said};
use holdfast_hub::{Action, Hub};
use holdfast_webpubsub::rest::{PAGE_SIZE_MAX, Target, Who};

use super::super::deeds::{Change, Changed, Deeds, Page, Place, TooMany};
use super::super::filter::{self, Chosen};
use super::words::{action_meant, change_meant, group, meant, meant_one};

/// Longest page of a list. With its envelope, a bus takes it whatever message-bytes-max is; one member is always
/// shorter.
const PAGE_BYTES_MAX: usize = OVERHEAD_MAX / 2;

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    said: Said,
    place: Option<String>,
    payload: Vec<u8>,
}

impl Reply {
    pub(super) fn refused(why: Refusal) -> Self {
        Self { said: Said::Refused(why), place: None, payload: Vec::new() }
    }

    pub(super) fn answer(&self) -> Answer<'_> {
        Answer { said: self.said, place: self.place.as_deref(), payload: &self.payload }
    }

    fn count(count: u32) -> Self {
        Self { said: Said::Count(count), place: None, payload: Vec::new() }
    }

    fn of(done: Result<u32, TooMany>) -> Self {
        done.map_or_else(|TooMany| Self::refused(Refusal::TooMany), Self::count)
    }

    fn page(page: &Page) -> Self {
        let members = page.members.iter();
        let payload = Members::bytes(
            members.map(|(name, user)| Member { connection: (*name).into(), user: user.as_deref() }),
        );
        let count = u32::try_from(page.members.len()).unwrap_or(u32::MAX);
        Self { said: Said::Count(count), place: page.next.map(|place| place.to_string()), payload }
    }
}

/// What is to be done and answered.
pub(super) enum Question {
    Exists(Target),
    Join(Who, String),
    Leave(Who, Option<String>),
    ChangeGroups(bool, Vec<String>, Option<Arc<Chosen>>),
    Permission(String, Change, (Action, Option<String>)),
    List(String, u32, Place),
}

impl Question {
    /// What an operation asks. None where it means nothing here.
    pub(super) fn read(operation: &Operation<'_>) -> Option<Self> {
        // Of all groups where there is none; nothing where it can't be called so.
        let some = |name: Option<&str>| name.map(group).map_or(Some(None), |group| group.map(Some));
        let question = match *operation {
            Operation::Exists { what } => Self::Exists(meant(what)?),
            Operation::Join { who, group: name } => Self::Join(meant_one(who)?, group(name)?),
            Operation::Leave { who, group: name } => Self::Leave(meant_one(who)?, some(name)?),
            Operation::ChangeGroups { join, groups, filter } => {
                let groups = groups.iter().map(group).collect::<Option<Vec<_>>>()?;
                Self::ChangeGroups(join, groups, filter::read(filter).ok()?)
            }
            Operation::Permission { change, connection, action, group: name } => Self::Permission(
                connection.to_string(),
                change_meant(change),
                (action_meant(action), some(name)?),
            ),
            Operation::List { group: name, size, place } => {
                let place = place.map_or(Some(Place::default()), Place::parse)?;
                Self::List(group(name)?, size.clamp(1, PAGE_SIZE_MAX).into(), place)
            }
            _ => return None,
        };
        Some(question)
    }

    /// Does it. Shards are told when this is polled first.
    pub(super) async fn answered(self, deeds: Deeds, hub: Hub) -> Reply {
        match self {
            Self::Exists(what) => Reply::count(deeds.exists(hub, what).await),
            Self::Join(who, group) => Reply::of(deeds.join(hub, who, group).await),
            Self::Leave(who, group) => Reply::count(deeds.leave(hub, who, group).await),
            Self::ChangeGroups(is_join, groups, chosen) => {
                Reply::of(deeds.change_groups(hub, groups, chosen, is_join).await)
            }
            Self::Permission(connection, change, what) => {
                match deeds.permission(hub, connection, change, what).await {
                    Some(Changed::Yes) => Reply::count(1),
                    Some(Changed::No) | None => Reply::count(0),
                    Some(Changed::TooMany) => Reply::refused(Refusal::TooMany),
                }
            }
            Self::List(group, size, place) => page(deeds, hub, group, size, place).await,
        }
    }
}

/// A page of a list, of so many members or as many as fit into an answer: whoever asks goes on behind them.
async fn page(deeds: Deeds, hub: Hub, group: String, size: u32, place: Place) -> Reply {
    let mut size = size;
    loop {
        let reply = Reply::page(&deeds.clone().page(hub, group.clone(), size, place).await);
        if reply.payload.len() <= PAGE_BYTES_MAX || size <= 1 {
            return reply;
        }
        size /= 2;
    }
}
