//! What can be asked of `storm`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::arguments::{ServerArguments, TargetArguments};

#[derive(Args, Debug)]
pub(crate) struct StormArguments {
    /// Connections that come at once.
    #[arg(short = 'n', long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// Of them in their opening handshake at once (default: all; beyond the server's accept queue, the kernel drops them
    /// and they try again after 1, 2, 4 s).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: Option<u32>,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Come, and go again, this often.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// The server has room for one connection, which is held before the others come: each of them must be answered 503.
    #[arg(long, conflicts_with_all = ["raw", "honest"])]
    pub(crate) refused: bool,
    /// Further connections, with echo traffic beside the storm; CPU per opening handshake is then not told.
    #[arg(long, default_value_t = 0)]
    pub(crate) honest: u32,
    /// Their messages per second, in all.
    #[arg(long, default_value_t = 2000.0)]
    pub(crate) rate: f64,
    /// Their traffic before each storm, to compare with.
    #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
    pub(crate) control: Duration,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// Write the report here as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
