//! Who has a place on the admin server, and who loses it.
//!
//! A probe comes from a supervisor that waits for a second and then restarts the process, so a newcomer always has a
//! place. Where all are taken the oldest connection that has not sent its request goes, and where all have, the oldest:
//! an answer takes a fraction of a second, unless whoever asked does not read it or sends its body slowly.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::{AbortHandle, JoinSet};

use crate::limits::ADMIN_DESCRIPTORS_MAX;

/// Connections at once, the newest among them; it takes the place of another.
pub const CONNECTIONS_MAX: usize = 32;
const _: () = assert!(CONNECTIONS_MAX <= ADMIN_DESCRIPTORS_MAX, "the other descriptors are for the rest");

/// Conversations under way.
#[derive(Debug, Default)]
pub(super) struct Conversations {
    tasks: JoinSet<()>,
    /// The oldest first.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    task: AbortHandle,
    came: HeadCame,
}

/// Whether a connection's request head has come.
#[derive(Clone, Debug, Default)]
pub(super) struct HeadCame(Arc<AtomicBool>);

impl HeadCame {
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Conversations {
    /// Gives the newcomer a place; there must be one, see [`make_room`](Self::make_room).
    pub(super) fn take<C: Future<Output = ()> + Send + 'static>(
        &mut self,
        converse: impl FnOnce(HeadCame) -> C,
    ) {
        let came = HeadCame::default();
        let task = self.tasks.spawn(converse(came.clone()));
        self.open.push(Open { task, came });
    }

    /// Frees a place for the next newcomer, if there is none.
    pub(super) async fn make_room(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|open| !open.task.is_finished());
        // The newest is left alone: it has not had its turn.
        if self.tasks.len() >= CONNECTIONS_MAX
            && let Some((_, others)) = self.open.split_last()
        {
            let silent = others.iter().position(|open| !open.came.0.load(Ordering::Relaxed));
            let leaver = self.open.remove(silent.unwrap_or(0));
            tracing::debug!(
                silent = silent.is_some(),
                "a connection to the admin server makes room for another"
            );
            leaver.task.abort();
        }
        while self.tasks.len() >= CONNECTIONS_MAX {
            self.one_ends().await;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Waits until one of them has ended.
    pub(super) async fn one_ends(&mut self) {
        // One that panicked or was told to go has ended, too.
        drop(self.tasks.join_next().await);
    }

    /// Waits until all have ended.
    pub(super) async fn all_end(&mut self) {
        while !self.is_empty() {
            self.one_ends().await;
        }
    }
}
