//! The users or groups of a hub, with how many connections each has.
//!
//! Each shard walks its own table, and knows only its own connections. So a page has names of one shard after the
//! other, and each name is shown by the first shard that has it, with the sum of all: the others are asked for the
//! names on the page, and for no more.

use std::sync::Arc;

use holdfast_hub::{Hub, Kind, Most};
use serde::Serialize;

use super::super::hubs::LiveHub;
use super::answer::Refused;
use super::look::Look;
use super::page::{BYTES_MAX, Page, Place};
use crate::Context;

/// Places of its table that a shard looks at in one turn.
const PLACES_MAX: u32 = 4096;
/// How often shards are asked for names before a page ends, however few have been found.
const WALKS_MAX: u32 = 64;

/// A page of names.
#[derive(Debug, Serialize)]
pub(super) struct Names {
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Vec<Row>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<Row>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A user or a group.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    name: String,
    /// On all shards.
    connections: u64,
}

pub(super) async fn show(look: &Look, hub: &LiveHub, kind: Kind, page: Page) -> Result<Names, Refused> {
    let (rows, next) = walk(look, hub.index, kind, page).await?;
    let word = word(kind);
    let next = next.map(|next| {
        let hub = percent_encoding::utf8_percent_encode(&hub.name, percent_encoding::NON_ALPHANUMERIC);
        format!("/hubs/{hub}/{word}?{}", page.query(next))
    });
    Ok(match kind {
        Kind::User => Names { users: Some(rows), groups: None, next },
        Kind::Group => Names { users: None, groups: Some(rows), next },
    })
}

/// What they are called in paths.
pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "users",
        Kind::Group => "groups",
    }
}

async fn walk(look: &Look, hub: Hub, kind: Kind, page: Page) -> Result<(Vec<Row>, Option<Place>), Refused> {
    let shards = look.handle.shards();
    let (mut rows, mut at, mut bytes) = (Vec::new(), page.from, 0);
    for _ in 0..WALKS_MAX {
        let free = page.rows.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        if at.shard >= shards || free == 0 || bytes >= BYTES_MAX {
            break;
        }
        let most = Most { places: PLACES_MAX, names: free, bytes: BYTES_MAX - bytes };
        let from = at.rest.unwrap_or_default();
        let (some, rest) =
            look.at(at.shard, move |context| names_here(context, hub, kind, from, most)).await?;
        let some = counted(look, hub, kind, at.shard, some).await;
        bytes += some.iter().map(|row| row.name.len()).sum::<usize>();
        rows.extend(some);
        at = at.after(rest);
    }
    Ok((rows, (at.shard < shards).then_some(at)))
}

/// Some names of a shard, and where it goes on.
fn names_here(
    context: &mut Context<'_>,
    hub: Hub,
    kind: Kind,
    from: u32,
    most: Most,
) -> (Vec<(String, u32)>, Option<u32>) {
    context.members(|members, _| {
        let some = members.names(hub, kind, from, most);
        (some.names.into_iter().map(|(name, len)| (name.to_owned(), len)).collect(), some.rest)
    })
}

/// With what the other shards have of them. Without those that an earlier shard has, which shows them.
async fn counted(look: &Look, hub: Hub, kind: Kind, shard: u16, own: Vec<(String, u32)>) -> Vec<Row> {
    let mut own: Vec<_> = own.into_iter().map(|(name, len)| (name, u64::from(len))).collect();
    let mut is_earlier = vec![false; own.len()];
    if !own.is_empty() && look.handle.shards() > 1 {
        let names: Arc<[String]> = own.iter().map(|(name, _)| name.clone()).collect();
        let lens = move |context: &mut Context<'_>| {
            let own = context.shard();
            let asked = if own == shard { &[] } else { &*names };
            let lens = context.members(|members, _| {
                asked.iter().map(|name| members.keys(hub, kind, name).len() as u64).collect::<Vec<_>>()
            });
            (own, lens)
        };
        for (other, lens) in look.at_all(lens).await {
            for ((it, is_earlier), len) in own.iter_mut().zip(&mut is_earlier).zip(lens) {
                it.1 += len;
                *is_earlier |= other < shard && len > 0;
            }
        }
    }
    let rows = own.into_iter().map(|(name, connections)| Row { name, connections });
    rows.zip(is_earlier).filter_map(|(row, is_earlier)| (!is_earlier).then_some(row)).collect()
}
