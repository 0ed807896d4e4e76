//! What `echo` can be asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::arguments::{PaceArguments, TargetArguments};

/// The traffic of an echo run.
#[derive(Args, Clone, Debug)]
pub(crate) struct TrafficArguments {
    /// Connections that take turns to send.
    #[arg(short = 'c', long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Messages in flight.
    #[arg(short = 'a', long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) active: u32,
    /// Payload of a message, in bytes.
    #[arg(short = 's', long, default_value_t = 64)]
    pub(crate) size: usize,
    /// Send text messages instead of binary ones.
    #[arg(long)]
    pub(crate) text: bool,
    /// Poll for replies without ever sleeping. The server then does not pay for waking this end, which with one message
    /// in flight is up to half of its cost.
    #[arg(long)]
    pub(crate) spin: bool,
}

#[derive(Args, Debug)]
pub(crate) struct EchoArguments {
    #[command(flatten)]
    pub(crate) traffic: TrafficArguments,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Measure for this long.
    #[arg(long = "for", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Measure this many replies instead of a time.
    #[arg(long, conflicts_with = "duration")]
    pub(crate) messages: Option<u64>,
    /// Messages per second. Each is due by the clock, whatever happened to those before it, and its latency counts from
    /// when it was due. At most -a are in flight. Default: send as fast as replies come.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Further connections without traffic, opened first and held by other processes.
    #[arg(long, default_value_t = 0)]
    pub(crate) held: u32,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    /// Length of the traffic before the measurement.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) warmup: Duration,
    /// Process of the server; its CPU time and memory are reported, and as root the kernel's memory.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Admin address of the server; its counters of system calls and completions are reported per message.
    #[arg(long)]
    pub(crate) admin: Option<String>,
    /// Skip the kernel's memory, which takes seconds to count.
    #[arg(long)]
    pub(crate) no_slabs: bool,
    /// Measure latency a second time with this process and the server (--pid) at real-time priority, so that other work
    /// on the machine does not show (root only).
    #[arg(long, requires = "pid")]
    pub(crate) real_time: bool,
    /// Pin every thread of --pid to this CPU.
    #[arg(long, requires = "pid")]
    pub(crate) pin_server: Option<usize>,
    /// Scheduling priority, -20 to 19, of this process and of the server (--pid). Go below 0 on a machine with other
    /// work (root only).
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub(crate) priority: Option<i32>,
    /// Pin this process to this CPU.
    #[arg(long)]
    pub(crate) pin_client: Option<usize>,
    /// Write the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
