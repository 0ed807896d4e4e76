//! What a panic says goes the way of every log line: who panics waits for no reader of standard error for long.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::thread;

use super::queue::{finish, say_last};

/// From now on panics are logged. Where they end the process, their line is waited for, for about a second.
pub(super) fn log_them() {
    panic::set_hook(Box::new(|panic| {
        let what = what(panic);
        let thread = thread::current().name().unwrap_or("without a name").to_owned();
        if tracing::enabled!(tracing::Level::ERROR) {
            tracing::error!("thread {thread} panicked: {what}");
            if cfg!(panic = "abort") {
                finish();
            }
        } else {
            say_last(&format!("holdfast: thread {thread} panicked: {what}\n"));
        }
    }));
}

fn what(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
    let trace = Backtrace::capture();
    // RUST_BACKTRACE asks for it.
    let trace =
        if trace.status() == BacktraceStatus::Captured { format!("\n{trace}") } else { String::new() };
    format!("{}{place}{trace}", text.unwrap_or("no text"))
}
