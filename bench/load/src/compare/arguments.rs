//! What `compare` can be asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::echo::TrafficArguments;

#[derive(Args, Debug)]
pub(crate) struct CompareArguments {
    /// Rungs to run, as for `holdfast --driver`.
    #[arg(long, value_delimiter = ',', default_value = "uring,epoll")]
    pub(crate) drivers: Vec<String>,
    /// Do not run `holdfast-floor`.
    #[arg(long)]
    pub(crate) no_floor: bool,
    #[command(flatten)]
    pub(crate) traffic: TrafficArguments,
    /// Number of alternated rounds.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Length of the measured part of each run.
    #[arg(long = "for", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Length of the traffic before the measured part.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) warmup: Duration,
    /// CPU for the servers.
    #[arg(long, default_value_t = 0)]
    pub(crate) server_cpu: usize,
    /// CPU for this process.
    #[arg(long, default_value_t = 1)]
    pub(crate) client_cpu: usize,
    /// Scheduling priority, -20 to 19, of this process and of the servers. Go below 0 on a machine with other work
    /// (root only).
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub(crate) priority: Option<i32>,
    /// Folder of the programs `holdfast` and `holdfast-floor` (default: that of this program).
    #[arg(long)]
    pub(crate) binaries: Option<PathBuf>,
    /// Write every run to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
