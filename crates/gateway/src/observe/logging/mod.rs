//! Logs to standard error, and the lines that say what was started.
//!
//! Whoever logs hands over a line and goes on; a thread writes it. What cannot be written, or does not fit into the
//! bounded queue, is dropped and counted (`holdfast_log_dropped_total`).

mod panics;
mod queue;
mod start;

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, filter};

pub use queue::{dropped, finish, say_last};
pub use start::Start;

use crate::settings::{LogFormat, Settings};

/// Begins to log to standard error as the settings say: text with colours where that is a terminal (and NO_COLOR is
/// not set), or one JSON object a line. Panics are logged from now on.
///
/// # Errors
///
/// Where `settings.log` is no filter (settings that were read have been checked for that), where the process already
/// logs, or where the thread cannot be started.
pub fn init(settings: &Settings) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let ansi = !plain && io::stderr().is_terminal();
    let subscriber = subscriber(settings, ansi, queue::start()?)?;
    tracing::subscriber::set_global_default(subscriber)?;
    panics::log_them();
    Ok(())
}

/// What [`init`] installs, writing elsewhere.
///
/// # Errors
///
/// Where `settings.log` is no filter.
pub fn subscriber<W>(
    settings: &Settings,
    ansi: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, filter::ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(with_quiet(&settings.log))?;
    // It would say on standard error what it cannot write, and panic where that fails too.
    let base = tracing_subscriber::fmt().log_internal_errors(false);
    let base = base.with_env_filter(filter).with_writer(writer).with_ansi(ansi);
    Ok(match settings.log_format {
        LogFormat::Human => Box::new(base.compact().finish()),
        LogFormat::Json => Box::new(base.json().flatten_event(true).finish()),
    })
}

/// A filter that has nothing of a library that says again what is said here, and more than that, unless it names it.
fn with_quiet(filter: &str) -> String {
    const QUIET: &str = "async_nats";
    if filter.contains(QUIET) { filter.to_owned() } else { format!("{filter},{QUIET}=off") }
}
