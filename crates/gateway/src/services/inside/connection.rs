//! One connection: all that is known of it.

use holdfast_hub::{Action, Permitted};
use serde::Serialize;

use super::super::glance::Glance;
use super::super::hubs::Hubs;
use super::super::shards::find;
use super::answer::{NO_CONNECTION, Refused};
use super::look::Look;
use super::page::{BYTES_MAX, Page};
use crate::{ConnectionId, Context, Glimpse};

/// What is shown of a connection. Lists have as many entries as a page, from the beginning; their numbers say how many
/// there are.
#[derive(Debug, Serialize)]
pub(super) struct Connection {
    id: String,
    shard: u16,
    hub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subprotocol: Option<String>,
    /// The group to which its messages go, where they are no events.
    #[serde(skip_serializing_if = "Option::is_none")]
    publishes_to: Option<String>,
    groups: List,
    may: May,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    state_bytes: usize,
    /// A service is being asked about it, and what it has said since waits.
    is_asked_about: bool,
    held_bytes: usize,
    is_closing: bool,
    is_away: bool,
    /// Messages that are kept for it, if it is reliable.
    #[serde(skip_serializing_if = "Option::is_none")]
    unacknowledged: Option<usize>,
    is_paused: bool,
    is_compressed: bool,
    silent_s: u32,
    outbox_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passed: Option<Passed>,
}

/// Some of several.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct List {
    total: usize,
    names: Vec<String>,
}

/// What it may do to groups.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct May {
    join_leave_group: Allowed,
    send_to_group: Allowed,
}

/// The groups that something is allowed for.
#[derive(Debug, Serialize)]
struct Allowed {
    all: bool,
    groups: List,
    patterns: Vec<String>,
    denied: List,
}

/// What went over it: known where the access log tells of it.
#[derive(Debug, Serialize)]
struct Passed {
    open_s: u64,
    bytes_in: u64,
    bytes_out: u64,
    messages_in: u64,
    messages_out: u64,
}

/// What its shard has said of it.
struct Seen {
    hub: holdfast_hub::Hub,
    user: Option<String>,
    groups: List,
    may: May,
    state: Option<String>,
    glimpse: Glimpse,
    glance: Glance,
}

pub(super) async fn show(look: &Look, hubs: &Hubs, name: &str, page: Page) -> Result<Connection, Refused> {
    let id = find(&look.handle, name).ok_or(NO_CONNECTION)?;
    let seen = look.at_connection(id, move |context, glance| see(context, glance, id, page.rows)).await?;
    let Seen { hub, user, groups, may, state, glimpse, glance } = seen.ok_or(NO_CONNECTION)?;
    let hub = hubs.at(hub).ok_or(NO_CONNECTION)?;
    Ok(Connection {
        id: look.handle.names().name(id).to_string(),
        shard: id.shard,
        hub: hub.name.clone(),
        user,
        subprotocol: glance.subprotocol.map(|it| it.to_string()),
        publishes_to: glance.publishes_to.map(|it| it.to_string()),
        groups,
        may,
        state_bytes: state.as_ref().map_or(0, String::len),
        state,
        is_asked_about: glance.is_asked_about,
        held_bytes: glance.held_bytes,
        is_closing: glimpse.is_closing,
        is_away: glimpse.is_away,
        unacknowledged: glimpse.unacknowledged,
        is_paused: glimpse.is_paused,
        is_compressed: glimpse.is_compressed,
        silent_s: glimpse.silent_s,
        outbox_bytes: glimpse.outbox_bytes,
        address: glimpse.address.map(|it| it.to_string()),
        passed: glimpse.visit.map(|it| Passed {
            open_s: it.open.as_secs(),
            bytes_in: it.bytes_in,
            bytes_out: it.bytes_out,
            messages_in: it.messages_in,
            messages_out: it.messages_out,
        }),
    })
}

/// What a shard knows of a connection; none where it is in no hub, or gone.
fn see(context: &mut Context<'_>, glance: Glance, id: ConnectionId, rows: u32) -> Option<Seen> {
    let glimpse = context.glimpse(id)?;
    context.members(|members, _| {
        let may = |action| allowed(&members.permitted(id.key, action), rows);
        Some(Seen {
            hub: members.hub(id.key)?,
            user: members.user(id.key).map(str::to_owned),
            groups: List::of(members.groups(id.key), rows),
            may: May { join_leave_group: may(Action::Join), send_to_group: may(Action::Publish) },
            state: members.state(id.key).map(str::to_owned),
            glimpse,
            glance,
        })
    })
}

fn allowed(permitted: &Permitted<'_>, rows: u32) -> Allowed {
    Allowed {
        all: permitted.all,
        groups: List::of(permitted.names.iter().copied(), rows),
        patterns: permitted.patterns.iter().map(|it| (*it).to_owned()).collect(),
        denied: List::of(permitted.denied.iter().copied(), rows),
    }
}

impl List {
    /// The first of these, as many as fit on a page.
    fn of<'n>(names: impl Iterator<Item = &'n str>, rows: u32) -> Self {
        let (mut list, mut bytes) = (Self::default(), 0);
        for name in names {
            list.total += 1;
            bytes += name.len();
            if list.names.len() < rows as usize && bytes <= BYTES_MAX {
                list.names.push(name.to_owned());
            }
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_how_many_there_are_and_shows_the_first() {
        let list = List::of(["a", "b", "c"].into_iter(), 2);
        assert_eq!(list, List { total: 3, names: vec!["a".to_owned(), "b".to_owned()] });
        let long = "x".repeat(BYTES_MAX / 2);
        assert_eq!(List::of([&*long; 5].into_iter(), 100).names.len(), 2);
    }
}
