//! Asking shards, and waiting for what they say.

use std::ops::Range;

use tokio::sync::oneshot;

use super::note::Note;
use crate::{ConnectionId, ConnectionName, Context, Handle};

/// Has one shard do something. None where it has ended.
pub(super) async fn ask<R: Send + 'static>(
    handle: &Handle,
    shard: u16,
    work: impl FnOnce(&mut Context<'_>) -> R + Send + 'static,
) -> Option<R> {
    order(handle, shard, work)?.await.ok()
}

/// Has all shards do something, at the same time. What those say that have not ended.
pub(super) async fn ask_all<R: Send + 'static>(
    handle: &Handle,
    work: impl FnOnce(&mut Context<'_>) -> R + Clone + Send + 'static,
) -> Vec<R> {
    said(order_all(handle, work)).await
}

/// Tells all shards to do something, before this returns. [`said`] has what they say.
pub(super) fn order_all<R: Send + 'static>(
    handle: &Handle,
    work: impl FnOnce(&mut Context<'_>) -> R + Clone + Send + 'static,
) -> Vec<oneshot::Receiver<R>> {
    order_in(handle, 0..handle.shards(), work)
}

/// The same for these shards.
pub(super) fn order_in<R: Send + 'static>(
    handle: &Handle,
    shards: impl IntoIterator<Item = u16>,
    work: impl FnOnce(&mut Context<'_>) -> R + Clone + Send + 'static,
) -> Vec<oneshot::Receiver<R>> {
    shards.into_iter().filter_map(|shard| order(handle, shard, work.clone())).collect()
}

/// What those say that have not ended.
pub(super) async fn said<R>(ordered: Vec<oneshot::Receiver<R>>) -> Vec<R> {
    let mut said = Vec::new();
    for heard in ordered {
        said.extend(heard.await.ok());
    }
    said
}

/// How many keys a shard looks at in a turn, of those that it is to walk over.
const KEYS_A_TURN: u32 = 512;

/// Has all shards do something with a range of their keys after the other, a range a turn, until that says no or they
/// have come to their ends. Whether nobody has said no.
pub(super) async fn walk_all(
    handle: &Handle,
    work: impl Fn(&mut Context<'_>, Range<u32>) -> bool + Clone + Send + 'static,
) -> bool {
    let mut walking: Vec<u16> = (0..handle.shards()).collect();
    let mut start = 0;
    while !walking.is_empty() {
        let end = start + KEYS_A_TURN;
        let ordered: Vec<_> = walking
            .iter()
            .filter_map(|shard| {
                let work = work.clone();
                let step = move |context: &mut Context<'_>| {
                    work(context, start..end).then(|| context.members(|members, _| end < members.end()))
                };
                Some((*shard, order(handle, *shard, step)?))
            })
            .collect();
        walking.clear();
        for (shard, heard) in ordered {
            match heard.await.unwrap_or(Some(false)) {
                None => return false,
                Some(is_more) => walking.extend(is_more.then_some(shard)),
            }
        }
        start = end;
    }
    true
}

/// Tells a shard to do something, and where to hear what came of it. None where it has ended.
pub(super) fn order<R: Send + 'static>(
    handle: &Handle,
    shard: u16,
    work: impl FnOnce(&mut Context<'_>) -> R + Send + 'static,
) -> Option<oneshot::Receiver<R>> {
    send(handle, shard, |told| {
        Note::Run(Box::new(move |context: &mut Context<'_>| {
            // Whoever does not wait any more does not need to know.
            let _ = told.send(work(context));
        }))
    })
}

/// Sends a shard a note that says what came of it, and where to hear that. None where it has ended.
pub(super) fn send<R>(
    handle: &Handle,
    shard: u16,
    note: impl FnOnce(oneshot::Sender<R>) -> Note,
) -> Option<oneshot::Receiver<R>> {
    let (told, heard) = oneshot::channel();
    handle.tell(shard, Box::new(note(told))).ok()?;
    Some(heard)
}

/// The connection with a name, if that is one of this process.
pub(super) fn find(handle: &Handle, name: &str) -> Option<ConnectionId> {
    let id = ConnectionName::parse(name).and_then(|name| handle.names().find(name))?;
    (id.shard < handle.shards()).then_some(id)
}
