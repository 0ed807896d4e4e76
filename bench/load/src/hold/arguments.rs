//! What `hold` can be asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::speech::SpeechArguments;
use crate::arguments::{PaceArguments, TargetArguments};

#[derive(Args, Debug)]
pub(crate) struct HoldArguments {
    /// Connections to open.
    #[arg(short = 'n', long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    /// How long to hold them once all are open.
    #[arg(long = "for", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// How many times to open, hold and close.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Send one ping on each connection and check the pong.
    #[arg(long, conflicts_with = "raw")]
    pub(crate) ping_each: bool,
    /// Send one text message on each connection and check the echo.
    #[arg(long, conflicts_with = "raw")]
    pub(crate) message_each: bool,
    /// Process of the server; its memory is reported, and as root the kernel's.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Admin address of the server, such as http://127.0.0.1:9085/; its gauge of connections must agree.
    #[arg(long)]
    pub(crate) admin: Option<String>,
    /// JSON report of a `hold --raw` run against `holdfast-floor hold`; it is subtracted as the bare socket.
    #[arg(long, requires = "pid")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ChildArguments {
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Index of the first connection, over all processes: chooses source addresses and keys.
    #[arg(long)]
    pub(crate) first: u32,
    /// Connections of this process.
    #[arg(long)]
    pub(crate) count: u32,
    /// Of them in flight at once.
    #[arg(long)]
    pub(crate) in_flight: u32,
    /// Scheduling priority, 0 to 19 (19: never in the way of others).
    #[arg(long, default_value_t = 0)]
    pub(crate) nice: i32,
    /// They are clients of a hub, with tokens that are signed with the access key in this file.
    #[arg(long)]
    pub(crate) access_key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) speech: SpeechArguments,
}
