//! What `pause` can be asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::arguments::{PaceArguments, TargetArguments};

/// How the silent connections go away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Kill {
    /// Kill nothing: shows what the rig itself does.
    None,
    /// Close each with SO_LINGER 0: one RST each.
    Reset,
    /// Kill the processes that hold them: one FIN each, no close frame.
    Fin,
    /// Send an unmasked frame on each: the server must close it with 1002.
    Error,
    /// Let the server close them: --pid gets SIGUSR1, so it must be the example `close_on_signal`.
    Gateway,
}

#[derive(Args, Debug)]
pub(crate) struct PauseArguments {
    /// Connections in all: honest ones, silent ones that stay, and silent ones to kill.
    #[arg(short = 'n', long, default_value_t = 18_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// Connections with echo traffic.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) honest: u32,
    /// Silent connections to kill at once.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) victims: u32,
    /// How to kill them.
    #[arg(long, value_enum, default_value_t = Kill::Reset)]
    pub(crate) kill: Kill,
    /// Hold the victims on another server, to see which part of the wait is the machine's.
    #[arg(long)]
    pub(crate) victims_url: Option<String>,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    /// Number of processes that hold the victims.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) killers: u32,
    /// Rounds of a control run and a kill run.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Length of a control run and of a kill run; the kill comes after a fifth of it.
    #[arg(long = "for", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Honest messages per second. Stay well below what the server can do, so that a pause is the server's.
    #[arg(long, default_value_t = 5000.0)]
    pub(crate) rate: f64,
    /// Most honest messages in flight.
    #[arg(short = 'a', long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) active: u32,
    /// Payload of an honest message, in bytes.
    #[arg(short = 's', long, default_value_t = 64)]
    pub(crate) size: usize,
    /// Process of the server, for --priority.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Scheduling priority, -20 to 19, of this process and of the server (--pid). Go below 0 on a machine with other
    /// work (root only).
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub(crate) priority: Option<i32>,
    /// Admin address of the server; its gauge of connections must fall to the survivors.
    #[arg(long)]
    pub(crate) admin: Option<String>,
    /// Write the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}
