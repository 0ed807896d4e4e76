//! What can be asked of `churn`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::arguments::{ServerArguments, TargetArguments};

#[derive(Args, Debug)]
pub(crate) struct ChurnArguments {
    /// Connections at any moment: a new one for each that goes. With --rate: at most (default: all that this process may have).
    #[arg(short = 'n', long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: Option<u32>,
    /// New connections per second, each due by the clock, its wait counted from when it was due.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// How long a connection lives: one echo in the middle, a closing handshake at the end.
    #[arg(long, default_value = "100ms", value_parser = humantime::parse_duration)]
    pub(crate) life: Duration,
    /// Payload bytes of its message.
    #[arg(short = 's', long, default_value_t = 64)]
    pub(crate) size: usize,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Measure for this long.
    #[arg(long = "for", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Before the measurement.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) warmup: Duration,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// Write the report here as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
