//! What `million` can be told on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::arguments::PaceArguments;

#[derive(Args, Debug)]
pub(crate) struct MillionArguments {
    /// Connections to open.
    #[arg(short = 'n', long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// How long to hold them once all are open.
    #[arg(long = "for", default_value = "10m", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// The connections are clients of a hub, each with a token and a user of its own, one of a hundred in groups. They
    /// are sent to as services do it, all and two groups, and say nothing themselves.
    #[arg(long)]
    pub(crate) hub: bool,
    /// So many gateways, each with a share of the connections: the nodes of a cluster. They are sent to by one of them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) nodes: u32,
    /// NATS that joins them, such as nats://127.0.0.1:4222.
    #[arg(long, requires = "hub")]
    pub(crate) cluster: Option<String>,
    /// One connection in this many sends a message each second and gets its echo.
    #[arg(long, default_value_t = 100, conflicts_with = "hub", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) talk_every: u32,
    /// Number of messages to all connections.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) broadcasts: u8,
    /// Payload of each of them, in bytes.
    #[arg(short = 's', long, default_value_t = 64)]
    pub(crate) size: u32,
    /// Seconds between two pings of the server on a silent connection.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) ping_seconds: u32,
    /// Time over which the drain at the end spreads its goodbyes.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) drain_spread: Duration,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    /// Rung, as for `holdfast --driver`.
    #[arg(long, default_value = "uring")]
    pub(crate) driver: String,
    /// Shards of `holdfast` (default: as many as the descriptor limit needs, and a twentieth more).
    #[arg(long)]
    pub(crate) shards: Option<u32>,
    /// Most memory that both ends and the kernel may take, in 10^9 bytes.
    #[arg(long, default_value_t = 8.5)]
    pub(crate) gigabytes_max: f64,
    /// Give up when nothing has moved for this long.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) stall: Duration,
    /// Folder of the program `holdfast` (default: that of this program).
    #[arg(long)]
    pub(crate) binaries: Option<PathBuf>,
    /// Write the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
