//! What can be asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Measures Holdfast beside what people would use instead: one command builds everything, runs it in turn, and writes
/// down what it saw.
#[derive(Debug, Parser)]
#[command(name = "holdfast-bench", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Every scenario; the results are what README shows.
    All(RunArguments),
    /// Memory of silent connections.
    Idle(RunArguments),
    /// CPU and latency of echoed messages.
    Echo(RunArguments),
    /// What those who talk notice of very many silent ones.
    Held(RunArguments),
    /// Latency of messages that come by the clock.
    OpenLoop(RunArguments),
    /// One message to all.
    FanOut(RunArguments),
    /// Everybody connects at once.
    Storm(RunArguments),
    /// Everybody connects at once, and then each keeps messages in flight.
    Arena(RunArguments),
    /// Connections that live 100 ms.
    Churn(RunArguments),
    /// Make the HTML report of results anew.
    Report {
        /// A file that a run has written; the report goes beside it.
        file: PathBuf,
    },
    /// Write README's table anew, from the newest results of `all`.
    Readme,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RunArguments {
    /// A look in about ten minutes: fewer rounds and trials, nothing to publish.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Rounds, instead of nine (two with --quick).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: Option<u32>,
    /// Contestants to run, by name, instead of all.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Connections that Holdfast alone is grown to in `idle`, and holds in `held`. A million take 8 GB.
    #[arg(long, default_value_t = 200_000)]
    pub(crate) grow_max: u32,
    /// How long reruns of noisy trials may take in all.
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    pub(crate) rerun_time: Duration,
    /// CPU of the servers.
    #[arg(long, default_value_t = 0)]
    pub(crate) server_cpu: usize,
    /// CPU of the load.
    #[arg(long, default_value_t = 1)]
    pub(crate) load_cpu: usize,
    /// Go on with this file, which an interrupted run of the same command has left, on the same machine and of the same commit.
    #[arg(long, value_name = "FILE")]
    pub(crate) go_on: Option<PathBuf>,
    /// Run what was built before.
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Say what would be run and how long it would take, and end.
    #[arg(long)]
    pub(crate) plan: bool,
    /// Where results and reports go (default: bench/results/ of the source tree).
    #[arg(long)]
    pub(crate) results: Option<PathBuf>,
    /// The target folder of cargo, whose release/ and variants/ hold the programs (default: that of this program).
    #[arg(long)]
    pub(crate) target: Option<PathBuf>,
}
