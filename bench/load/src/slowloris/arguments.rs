//! What `slowloris` can be asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::arguments::TargetArguments;

#[derive(Args, Debug)]
pub(crate) struct SlowlorisArguments {
    /// Connections at any moment that never end their opening handshake.
    #[arg(long, default_value_t = 4000)]
    pub(crate) attackers: u32,
    /// Connections with echo traffic.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) honest: u32,
    /// Honest messages per second.
    #[arg(long, default_value_t = 2000.0)]
    pub(crate) rate: f64,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Rounds, each without and with the attack.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Length of the measured part of each half.
    #[arg(long = "for", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Time before it, for all attackers to arrive and get their first 408.
    #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
    pub(crate) warmup: Duration,
    /// Process of the server, for --priority.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Scheduling priority, -20 to 19, of this process and of the server (--pid). Go below 0 on a machine with other
    /// work (root only).
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub(crate) priority: Option<i32>,
    /// Write the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
