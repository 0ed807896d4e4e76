//! What a thread that writes is told meanwhile.

use std::sync::atomic::AtomicBool;

/// What the thread is to do beside writing.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    pub(super) reopen: AtomicBool,
    /// Nobody waits for it any more.
    pub(super) give_up: AtomicBool,
}
