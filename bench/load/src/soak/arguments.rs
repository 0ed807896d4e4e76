//! What `soak` can be asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::arguments::TargetArguments;

#[derive(Args, Debug)]
pub(crate) struct SoakArguments {
    /// Connections at any moment.
    #[arg(short = 'n', long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// New connections per second.
    #[arg(long, default_value_t = 200.0)]
    pub(crate) churn: f64,
    /// How long to run.
    #[arg(long = "for", default_value = "30m", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Seed that decides who does what and when.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Process of the server; its memory and descriptors must not grow.
    #[arg(long)]
    pub(crate) pid: u32,
    /// Admin address of the server; its counters must add up. Nobody else may be connected.
    #[arg(long)]
    pub(crate) admin: String,
    /// Write the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
