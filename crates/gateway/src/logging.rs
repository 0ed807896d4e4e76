//! Logs to standard error, and the lines that say what was started.

mod start;

pub use start::Start;

use crate::settings::{LogFormat, Settings};
use std::io::{self, IsTerminal};
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, filter};

/// Begins to log to standard error as the settings say: text with colours where that is a terminal (and NO_COLOR is
/// not set), or one JSON object a line.
///
/// # Errors
///
/// Where `settings.log` is no filter (settings that were read have been checked for that), or where the process
/// already logs.
pub fn init(settings: &Settings) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let ansi = !plain && io::stderr().is_terminal();
    let subscriber = subscriber(settings, ansi, io::stderr)?;
    Ok(tracing::subscriber::set_global_default(subscriber)?)
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
    let filter = EnvFilter::builder().parse(&settings.log)?;
    let base = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(ansi);
    Ok(match settings.log_format {
        LogFormat::Human => Box::new(base.compact().finish()),
        LogFormat::Json => Box::new(base.json().flatten_event(true).finish()),
    })
}
