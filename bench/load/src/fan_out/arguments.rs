//! What `fan-out` can be told on the command line.

use std::path::PathBuf;

use clap::Args;

use crate::arguments::{PaceArguments, TargetArguments};

#[derive(Args, Debug)]
pub(crate) struct FanOutArguments {
    /// Connections to open.
    #[arg(short = 'n', long, default_value_t = 18_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// Payload of the message, in bytes.
    #[arg(short = 's', long, default_value_t = 64)]
    pub(crate) size: u32,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    /// How many times to send it.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Process of the server; its CPU time and memory are reported.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Admin address of the server, such as http://127.0.0.1:9085/, which is told to send.
    #[arg(long)]
    pub(crate) admin: Option<String>,
    /// With --raw: control address of `holdfast-floor fan-out`, HOST:PORT, which is told to send.
    #[arg(long, requires = "raw", conflicts_with = "admin")]
    pub(crate) control: Option<String>,
    /// Write the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
