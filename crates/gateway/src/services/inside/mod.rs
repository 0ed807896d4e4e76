//! What the admin server shows of the inside of hubs, to whoever has its token: hubs, their users and groups, the
//! connections of these, and one connection. All of it by pages that have a bound.
//!
//! Shards are asked as REST asks them, by notes of which each costs at most a page, however many names there are:
//! [`look`] bounds how many of them wait and for how long. [`hubs`] asks no shard at all.

mod answer;
mod connection;
mod hubs;
mod look;
mod members;
mod names;
mod page;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::routing::get;
use holdfast_hub::Kind;

use super::hubs::{Hubs, LiveHub};
use crate::Handle;
use answer::{Answer, Refused, json};
use look::Eye;
use page::Page;

/// What is looked into.
#[derive(Clone, Debug)]
pub(super) struct Inside {
    hubs: Arc<Hubs>,
    eye: Eye,
}

/// The paths that show it. Whoever serves them asks for the admin token.
pub(super) fn router(hubs: Arc<Hubs>, handle: Handle) -> Router {
    Router::new()
        .route("/hubs", get(hubs_of))
        .route("/hubs/{hub}/users", get(users))
        .route("/hubs/{hub}/groups", get(groups))
        .route("/hubs/{hub}/users/{user}", get(of_user))
        .route("/hubs/{hub}/groups/{group}", get(of_group))
        .route("/connections/{id}", get(connection_of))
        .with_state(Inside { hubs, eye: Eye::new(handle) })
}

type Shown = State<Inside>;

async fn hubs_of(State(inside): Shown) -> Answer {
    json(&hubs::show(&inside.hubs))
}

async fn users(inside: Shown, hub: Path<String>, query: RawQuery) -> Answer {
    names_of(inside, hub, query, Kind::User).await
}

async fn groups(inside: Shown, hub: Path<String>, query: RawQuery) -> Answer {
    names_of(inside, hub, query, Kind::Group).await
}

async fn names_of(
    State(inside): Shown,
    Path(hub): Path<String>,
    RawQuery(query): RawQuery,
    kind: Kind,
) -> Answer {
    let page = Page::read(query.as_deref())?;
    let hub = inside.hub(&hub)?;
    json(&inside.eye.while_open(|eye| async move { names::show(&eye, hub, kind, page).await }).await?)
}

async fn of_user(inside: Shown, path: Path<(String, String)>, query: RawQuery) -> Answer {
    members_of(inside, path, query, Kind::User).await
}

async fn of_group(inside: Shown, path: Path<(String, String)>, query: RawQuery) -> Answer {
    members_of(inside, path, query, Kind::Group).await
}

async fn members_of(
    State(inside): Shown,
    Path((hub, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    kind: Kind,
) -> Answer {
    let page = Page::read(query.as_deref())?;
    let hub = inside.hub(&hub)?;
    let name = Arc::from(name);
    json(&inside.eye.while_open(|eye| async move { members::show(&eye, hub, kind, name, page).await }).await?)
}

async fn connection_of(State(inside): Shown, Path(id): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let page = Page::read(query.as_deref())?;
    let hubs = &inside.hubs;
    let shown = inside.eye.while_open(|eye| async move { connection::show(&eye, hubs, &id, page).await });
    json(&shown.await?)
}

impl Inside {
    fn hub(&self, name: &str) -> Result<&LiveHub, Refused> {
        self.hubs.find(name).map(Arc::as_ref).ok_or(answer::NO_HUB)
    }
}
