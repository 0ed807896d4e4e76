//! Asking shards on behalf of somebody who looks: so many at a time, and not for long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::super::glance::Glance;
use super::super::note::Note;
use super::super::shards::{ask, ask_all, send};
use super::answer::{NO_ANSWER, Refused, TOO_MANY};
use crate::{ConnectionId, Context, Handle};

/// Answers under way. What a shard that stands still has not heard yet counts, though nobody waits for it any more: so
/// many notes wait there at most.
pub(super) const LOOKS_MAX: usize = 32;
/// How long all shards together may take. The admin server closes after ten seconds.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(5);

/// Whoever looks.
#[derive(Clone, Debug)]
pub(super) struct Eye {
    handle: Handle,
    looks: Arc<Semaphore>,
}

/// One look, with its place, which is free when the last shard that was asked has heard of it.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) handle: Handle,
    place: Arc<OwnedSemaphorePermit>,
}

impl Eye {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle, looks: Arc::new(Semaphore::new(LOOKS_MAX)) }
    }

    /// Looks, if there is a place for it and shards answer in time.
    pub(super) async fn while_open<T, F: Future<Output = Result<T, Refused>>>(
        &self,
        look: impl FnOnce(Look) -> F,
    ) -> Result<T, Refused> {
        let place = Arc::clone(&self.looks).try_acquire_owned().map_err(|_| TOO_MANY)?;
        let look = look(Look { handle: self.handle.clone(), place: Arc::new(place) });
        timeout(WAIT_MAX, look).await.map_err(|_| NO_ANSWER)?
    }

    /// Reaches the shards.
    #[cfg(test)]
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Looks that may still begin.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.looks.available_permits()
    }
}

impl Look {
    /// Has one shard look.
    pub(super) async fn at<R: Send + 'static>(
        &self,
        shard: u16,
        work: impl FnOnce(&mut Context<'_>) -> R + Send + 'static,
    ) -> Result<R, Refused> {
        let place = Arc::clone(&self.place);
        let held = move |context: &mut Context<'_>| {
            let seen = work(context);
            drop(place);
            seen
        };
        ask(&self.handle, shard, held).await.ok_or(NO_ANSWER)
    }

    /// Has all shards look, at the same time. What those say that have not ended.
    pub(super) async fn at_all<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Context<'_>) -> R + Clone + Send + 'static,
    ) -> Vec<R> {
        let place = Arc::clone(&self.place);
        let held = move |context: &mut Context<'_>| {
            let seen = work(context);
            drop(place);
            seen
        };
        ask_all(&self.handle, held).await
    }

    /// Has the shard of a connection look at it.
    pub(super) async fn at_connection<R: Send + 'static>(
        &self,
        connection: ConnectionId,
        work: impl FnOnce(&mut Context<'_>, Glance) -> R + Send + 'static,
    ) -> Result<R, Refused> {
        let place = Arc::clone(&self.place);
        let heard = send(&self.handle, connection.shard, |told| {
            let look = move |context: &mut Context<'_>, glance: Glance| {
                // Whoever does not wait any more does not need to know.
                let _ = told.send(work(context, glance));
                drop(place);
            };
            Note::Look { connection, look: Box::new(look) }
        });
        heard.ok_or(NO_ANSWER)?.await.map_err(|_| NO_ANSWER)
    }
}
