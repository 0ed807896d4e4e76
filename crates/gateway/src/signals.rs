//! Signals: the first SIGTERM or SIGINT drains, the second ends at once.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::Drainer;

/// Listens for signals on a thread of its own, for as long as the process lives.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn drain_on_signal(drainer: Arc<Drainer>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _guard = runtime.enter();
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? }
    };
    let body = move || {
        runtime.block_on(async {
            let first = signals.next().await;
            let limit = drainer.timeout();
            tracing::info!("{}: draining for at most {limit:?}; a second signal ends at once", first.name());
            drainer.begin_the_end(match first {
                Which::Terminate => drainer.spread(),
                // From a terminal: somebody waits.
                Which::Interrupt => Duration::ZERO,
            });
            match timeout(limit, signals.next()).await {
                Ok(second) => tracing::warn!("{}, the second signal: ending at once", second.name()),
                Err(_) => tracing::warn!("the time for the drain is over: ending"),
            }
            drainer.end();
        });
    };
    thread::Builder::new().name("signals".to_owned()).spawn(body)?;
    Ok(())
}

#[derive(Clone, Copy)]
enum Which {
    Terminate,
    Interrupt,
}

impl Which {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> Which {
        tokio::select! {
            _ = self.terminate.recv() => Which::Terminate,
            _ = self.interrupt.recv() => Which::Interrupt,
        }
    }
}
