//! What can be asked of `storm`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::arguments::{ServerArguments, TargetArguments};

#[derive(Args, Debug)]
pub(crate) struct StormArguments {
    /// Connections to open in each round.
    #[arg(short = 'n', long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// Opening handshakes in progress at once (default: all). Those that do not fit into the server's accept queue are
    /// dropped by the kernel and try again after 1, 2, 4 s.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: Option<u32>,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// How many times to open all and close them again.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// The server has room for one connection, which is held first; each of the others must get 503.
    #[arg(long, conflicts_with_all = ["raw", "honest"])]
    pub(crate) refused: bool,
    /// Further connections with echo traffic during the storm. CPU per opening handshake is then not reported.
    #[arg(long, default_value_t = 0)]
    pub(crate) honest: u32,
    /// Messages per second on those, all together.
    #[arg(long, default_value_t = 2000.0)]
    pub(crate) rate: f64,
    /// Length of their traffic before each storm, to compare with.
    #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
    pub(crate) control: Duration,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// Write the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
