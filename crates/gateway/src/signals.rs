//! Signals: the first SIGTERM or SIGINT drains, the second ends at once.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::Handle;
use crate::admin::{Phase, Readiness};

/// Listens for signals on a thread of its own, for as long as the process lives.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn drain_on_signal(handle: Handle, readiness: Arc<Readiness>, drain_timeout: Duration) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _guard = runtime.enter();
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? }
    };
    let body = move || {
        runtime.block_on(async {
            let name = signals.next().await;
            tracing::info!("{name}: draining for at most {drain_timeout:?}; a second signal ends at once");
            readiness.set(Phase::Draining);
            handle.drain();
            match timeout(drain_timeout, signals.next()).await {
                Ok(name) => tracing::warn!("{name} again: ending at once"),
                Err(_) => tracing::warn!("the time for the drain is over: ending"),
            }
            handle.end();
        });
    };
    thread::Builder::new().name("signals".to_owned()).spawn(body)?;
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
