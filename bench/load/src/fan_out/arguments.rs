//! What `fan-out` can be told on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::arguments::{PaceArguments, TargetArguments};
use crate::hold::speech::SpeechArguments;

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
    pub(crate) speech: SpeechArguments,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    /// Wait for this long when all are open, before the first message.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    pub(crate) settle: Duration,
    /// How many times to send it.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Process of the server; its CPU time and memory are reported.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Admin address of the server, such as http://127.0.0.1:9085/; it is told to send, unless another is named below.
    #[arg(long)]
    pub(crate) admin: Option<String>,
    /// With --raw: control address of `holdfast-floor fan-out`, HOST:PORT, which is told to send.
    #[arg(long, requires = "raw", conflicts_with = "admin")]
    pub(crate) control: Option<String>,
    /// URL that a message is posted to, for the server to send.
    #[arg(long, conflicts_with = "control")]
    pub(crate) post: Option<String>,
    /// Header of such a request, NAME: VALUE; may be repeated.
    #[arg(long, requires = "post")]
    pub(crate) header: Vec<String>,
    /// HOST:PORT/SUBJECT of a NATS server, where a message is published, for the server to send.
    #[arg(long, conflicts_with_all = ["control", "post"])]
    pub(crate) nats: Option<String>,
    /// Write the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
