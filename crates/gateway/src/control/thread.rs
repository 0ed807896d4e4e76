//! The control thread: one runtime, on which the admin server, signals and the reports of drains run as tasks.
//!
//! No task may wait but for the runtime: not for a stream, not for a shard, not for a lock whose holder
//! waits. A second SIGTERM must be heard whatever hangs.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::thread;

use nix::sys::signal::SigSet;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use super::admin::{Admin, AdminServer, AdminState};
use super::drainer::Drainer;
use super::readiness::Phase;
use super::signals::{Caught, Charge, watch};
use crate::handle::wakes;
use crate::services::Surroundings;
use crate::settings::Sources;
use crate::{Finisher, Handle as Shards, Reloader, Reopener, Services};

/// The control thread, which ends with the process only.
#[derive(Debug)]
pub struct Control {
    runtime: Handle,
    charge: oneshot::Sender<Charge>,
}

impl Control {
    /// Takes over the process's signals and starts the thread. To be called first of all in main: from here on no
    /// signal is lost, though there may be nothing yet to drain. Such that the process was started with blocked are let
    /// through, for this thread and those that it starts.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be made.
    pub fn start() -> io::Result<Self> {
        // One that comes while there are no handlers waits: the first process of a container would never hear of it.
        SigSet::all().thread_block()?;
        let runtime = runtime()?;
        let caught = {
            let _guard = runtime.enter();
            Caught::new()?
        };
        // With handlers in place, so that one that has waited ends nothing.
        SigSet::all().thread_unblock()?;
        let (charge, charged) = oneshot::channel();
        runtime.spawn(watch(caught, charged));
        Ok(Self { runtime: run(runtime)?, charge })
    }

    /// Answers as `admin` from now on, until what is returned is stopped or dropped.
    #[must_use]
    pub fn serve(&self, admin: Admin, state: AdminState) -> AdminServer {
        admin.start(state, &self.runtime)
    }

    /// Sends the events of these hubs, and serves REST, from now on. Other nodes of its cluster hear how it is.
    #[must_use]
    pub fn run(
        &self,
        services: Services,
        shards: &Shards,
        sources: Sources,
        drainer: &Arc<Drainer>,
    ) -> (Reloader, Finisher) {
        services.start(shards, &self.runtime, sources, Box::new(ToOthers(Arc::clone(drainer))))
    }

    /// The gateway runs: from now on signals are for these, and drains are logged. Where the shards do not end when
    /// they are told to end at once, the process ends all the same, with
    /// [`Outcome::exit_code`](crate::Outcome::exit_code).
    pub fn attend(self, drainer: Arc<Drainer>, reopener: Reopener, reloader: Option<Reloader>) {
        let reported = Arc::clone(&drainer);
        self.runtime.spawn(async move { reported.report().await });
        if let Some(ender) = reloader.as_ref().map(Reloader::ender) {
            let watched = Arc::clone(&drainer);
            self.runtime.spawn(async move {
                let emptied = async {
                    watched.until_empty().await;
                    ender.end().await;
                };
                let over = async {
                    watched.until_over().await;
                    ender.hurry();
                };
                tokio::join!(emptied, over);
            });
        }
        // The task that listens ends with the process only.
        let _ = self.charge.send(Charge { drainer, reopener, reloader });
    }
}

/// What other nodes hear of this process.
struct ToOthers(Arc<Drainer>);

impl Surroundings for ToOthers {
    fn connections(&self) -> u64 {
        self.0.held()
    }

    fn is_draining(&self) -> bool {
        self.0.readiness().phase() >= Phase::Draining
    }
}

fn runtime() -> io::Result<Runtime> {
    // One thread beside, for reads that may take a while; it ends when there have been none for some seconds.
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .thread_name("control-reads")
        .on_thread_park(wakes::let_go)
        .build()
}

/// Runs a runtime on a thread of its own, for as long as the process lives.
fn run(runtime: Runtime) -> io::Result<Handle> {
    let handle = runtime.handle().clone();
    let run = move || {
        wakes::hold();
        runtime.block_on(pending::<()>());
    };
    thread::Builder::new().name("control".to_owned()).spawn(run)?;
    Ok(handle)
}

/// A control thread that leaves signals alone.
#[cfg(test)]
pub(super) fn without_signals() -> Handle {
    runtime().and_then(run).expect("a thread")
}
