//! Signals: the first SIGTERM or SIGINT drains, a second one or SIGQUIT ends at once, SIGHUP opens files anew and reads
//! hubs again, and no other that somebody may send out of habit ends the process.
//!
//! They are watched by a task of the control thread, where nothing waits for anybody: not for a reader of the log, and
//! for the shards only so long as is said here.

mod caught;

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub(super) use caught::Caught;

use super::drainer::Drainer;
use crate::{Reloader, Reopener};
use caught::Signal;

/// How long a start that is under way is waited for after a signal that ends.
const START_PATIENCE: Duration = Duration::from_secs(2);
/// How long shards have to end when that is to happen at once.
const END_PATIENCE: Duration = Duration::from_millis(300);
/// How long they have when the time for the drain is over.
const LATE_END_PATIENCE: Duration = Duration::from_secs(10);

/// What signals are for.
#[derive(Debug)]
pub(super) struct Charge {
    pub(super) drainer: Arc<Drainer>,
    pub(super) reopener: Reopener,
    /// Where there are hubs.
    pub(super) reloader: Option<Reloader>,
}

impl Charge {
    /// SIGHUP: files that were moved are opened anew, and those that say what hubs are are read again.
    fn hang_up(&self) {
        self.reopener.reopen();
        if let Some(reloader) = &self.reloader {
            reloader.reload();
        }
    }
}

/// Sees to the process's signals for as long as it lives: those that come before the start wait for it. Where the
/// shards do not end when they are told to end at once, the process ends all the same, with
/// [`Outcome::exit_code`](crate::Outcome::exit_code).
pub(super) async fn watch(mut caught: Caught, started: oneshot::Receiver<Charge>) {
    let (charge, early) = start(&mut caught, started).await;
    let drainer = &charge.drainer;
    let first = match early {
        Some(early) => early,
        None => next_end(&mut caught, &charge).await,
    };
    if first == Signal::Quit {
        tracing::warn!("{first}: ending at once");
        end(drainer).await;
    }
    let limit = drainer.timeout();
    tracing::info!("{first}: draining for at most {limit:?}; a second signal ends at once");
    drainer.drain_and_exit(match first {
        // From a terminal: somebody waits.
        Signal::Interrupt => Duration::ZERO,
        _ => drainer.spread(),
    });
    match timeout(limit, next_end(&mut caught, &charge)).await {
        Ok(second) => tracing::warn!("{second}, the second signal: ending at once"),
        Err(_) => {
            tracing::warn!("the time for the drain is over: ending");
            drainer.end();
            // A second signal may still come.
            let _ = timeout(LATE_END_PATIENCE, next_end(&mut caught, &charge)).await;
        }
    }
    end(drainer).await;
}

/// Waits for the start. A signal that ends, if one came meanwhile; where the start then takes long, or another one
/// comes, the process ends here: nobody is connected who could hear a goodbye.
async fn start(caught: &mut Caught, started: oneshot::Receiver<Charge>) -> (Charge, Option<Signal>) {
    let mut started = pin!(async {
        match started.await {
            Ok(charge) => charge,
            // There will be no start, and the process ends by itself.
            Err(_) => pending().await,
        }
    });
    let (mut early, mut moved) = (None, false);
    let mut deadline = Instant::now();
    loop {
        tokio::select! {
            biased;
            charge = &mut started => {
                if moved {
                    charge.hang_up();
                }
                return (charge, early);
            }
            signal = caught.next() => match signal {
                Signal::Hangup => moved = true,
                Signal::Terminate | Signal::Interrupt if early.is_none() => {
                    early = Some(signal);
                    deadline = Instant::now() + START_PATIENCE;
                }
                Signal::Terminate | Signal::Interrupt | Signal::Quit => std::process::exit(0),
                Signal::Other(_) => {}
            },
            () = sleep_until(deadline), if early.is_some() => std::process::exit(0),
        }
    }
}

/// The next signal that ends. The others are seen to.
async fn next_end(caught: &mut Caught, charge: &Charge) -> Signal {
    loop {
        match caught.next().await {
            Signal::Hangup => charge.hang_up(),
            other @ Signal::Other(_) => tracing::debug!("{other}: nothing is done"),
            end => return end,
        }
    }
}

/// Ends at once. Mostly main does, since all shards have ended; if not, for whatever reason, this does without them.
async fn end(drainer: &Drainer) -> ! {
    drainer.end();
    sleep(END_PATIENCE).await;
    // It waits for no stream: what is written now is not written by Rust's, whose locks it would take.
    std::process::exit(drainer.outcome().exit_code().into());
}
