//! The connections of one user or group.

use std::sync::Arc;

use holdfast_hub::{Hub, Kind};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::super::hubs::LiveHub;
use super::answer::{NOBODY, Refused};
use super::look::Look;
use super::names::word;
use super::page::{BYTES_MAX, Page, Place};
use crate::{Context, Names};

/// A page of connections.
#[derive(Debug, Serialize)]
pub(super) struct Members {
    /// How many there are, on all shards.
    total: u64,
    connections: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A connection.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

pub(super) async fn show(
    look: &Look,
    hub: &LiveHub,
    kind: Kind,
    name: Arc<str>,
    page: Page,
) -> Result<Members, Refused> {
    let (index, of) = (hub.index, Arc::clone(&name));
    let len = move |context: &mut Context<'_>| {
        context.members(|members, _| members.keys(index, kind, &of).len() as u64)
    };
    let total = look.at_all(len).await.iter().sum();
    if total == 0 {
        return Err(NOBODY);
    }
    let (connections, next) = walk(look, index, kind, &name, page).await?;
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let next = next.map(|next| {
        format!("/hubs/{}/{}/{}?{}", encoded(&hub.name), word(kind), encoded(&name), page.query(next))
    });
    Ok(Members { total, connections, next })
}

async fn walk(
    look: &Look,
    hub: Hub,
    kind: Kind,
    name: &Arc<str>,
    page: Page,
) -> Result<(Vec<Row>, Option<Place>), Refused> {
    let shards = look.handle.shards();
    let (mut rows, mut at, mut bytes) = (Vec::new(), page.from, 0);
    while at.shard < shards && bytes < BYTES_MAX {
        let free = page.rows.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        if free == 0 {
            break;
        }
        let (name, rest, names) = (Arc::clone(name), at.rest, look.handle.clone());
        let some = move |context: &mut Context<'_>| {
            rows_here(context, names.names(), hub, kind, &name, (rest, free))
        };
        let (some, rest) = look.at(at.shard, some).await?;
        bytes += some.iter().map(|row| row.user.as_ref().map_or(0, String::len)).sum::<usize>();
        rows.extend(some);
        at = at.after(rest);
    }
    Ok((rows, (at.shard < shards).then_some(at)))
}

/// Some connections of a shard, and where it goes on. Of a group's, the users are bounded in bytes.
fn rows_here(
    context: &mut Context<'_>,
    names: &Names,
    hub: Hub,
    kind: Kind,
    name: &str,
    (rest, most): (Option<u32>, u32),
) -> (Vec<Row>, Option<u32>) {
    let (keys, rest) = context.members(|members, _| {
        let most = match kind {
            Kind::User => most,
            Kind::Group => fitting(members.page(hub, kind, name, rest, most).keys, |key| members.user(key)),
        };
        let page = members.page(hub, kind, name, rest, most);
        let with_user = |key: &u32| (*key, members.user(*key).map(str::to_owned));
        (page.keys.iter().map(with_user).collect::<Vec<_>>(), page.rest)
    });
    let row = |(key, user): (u32, Option<String>)| Row {
        id: names.name(context.id_of(key)).to_string(),
        user: user.filter(|_| kind == Kind::Group),
    };
    (keys.into_iter().map(row).collect(), rest)
}

/// How many of these, from the last on, have users of no more bytes than a page; one at least.
fn fitting<'u>(keys: &[u32], user: impl Fn(u32) -> Option<&'u str>) -> u32 {
    let mut bytes = 0;
    let lens = keys.iter().rev().map(|key| user(*key).map_or(0, str::len));
    let fits = lens.take_while(|len| {
        bytes += len;
        bytes <= BYTES_MAX
    });
    u32::try_from(fits.count()).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_the_names_of_users_get_long() {
        let long = "x".repeat(BYTES_MAX / 4);
        assert_eq!(fitting(&[1, 2, 3], |_| None), 3);
        assert_eq!(fitting(&[7; 9], |_| Some(&long)), 4);
        let longer = "x".repeat(BYTES_MAX + 1);
        assert_eq!(fitting(&[1, 2], |key| (key == 2).then_some(&*longer)), 1, "it goes on in any case");
    }
}
