//! What can be asked of `churn`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::arguments::{ServerArguments, TargetArguments};

#[derive(Args, Debug)]
pub(crate) struct ChurnArguments {
    /// Connections at any moment: a new one comes for each that goes. With --rate this is the most there may be
    /// (default: as many as this process may have).
    #[arg(short = 'n', long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: Option<u32>,
    /// New connections per second. Each is due by the clock, and its wait counts from when it was due.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// How long a connection lives, with one echo in the middle and a closing handshake at the end.
    #[arg(long, default_value = "100ms", value_parser = humantime::parse_duration)]
    pub(crate) life: Duration,
    /// Payload of its message, in bytes.
    #[arg(short = 's', long, default_value_t = 64)]
    pub(crate) size: usize,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Measure for this long.
    #[arg(long = "for", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Length of the traffic before the measurement.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) warmup: Duration,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// Write the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
