//! Waiting for others.

use super::error::CommandError;

/// Runs a future to its end, on this thread.
///
/// # Errors
/// Where the system gives nothing to wait with.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::failed(format!("cannot make a request: {error}")))?;
    let said = runtime.block_on(future);
    // A name is looked up on a thread of its own, which may take its time.
    runtime.shutdown_background();
    Ok(said)
}
