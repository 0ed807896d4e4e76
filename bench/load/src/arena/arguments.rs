//! What can be asked of `arena`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::arguments::{ServerArguments, TargetArguments};

#[derive(Args, Debug)]
pub(crate) struct ArenaArguments {
    /// Connections to open, all at once. Those that do not fit into the server's accept queue are dropped by the kernel
    /// and try again after 1, 2, 4 s.
    #[arg(short = 'c', long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Messages that each connection keeps in flight.
    #[arg(short = 'a', long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) active_each: u16,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Measure for this long.
    #[arg(long = "for", default_value = "4s", value_parser = humantime::parse_duration)]
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
