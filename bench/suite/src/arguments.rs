//! What can be asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Measures Holdfast and the alternatives: one command builds them all, runs them in turn and records the results.
#[derive(Debug, Parser)]
#[command(name = "holdfast-bench", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every scenario; README shows the results.
    All(RunArguments),
    /// Measure the memory of silent connections.
    Idle(RunArguments),
    /// Measure CPU and latency of echoed messages.
    Echo(RunArguments),
    /// Measure what active connections notice of very many silent ones.
    Held(RunArguments),
    /// Measure the latency of messages sent by the clock.
    OpenLoop(RunArguments),
    /// Measure one message to all connections.
    FanOut(RunArguments),
    /// Measure all connections opening at once.
    Storm(RunArguments),
    /// Measure all connections opening at once and then keeping messages in flight.
    Arena(RunArguments),
    /// Measure connections that live for 100 ms.
    Churn(RunArguments),
    /// Write the HTML report of some results again.
    Report {
        /// JSON file that a run has written; the report is put beside it.
        file: PathBuf,
    },
    /// Write README's table and plot, and docs/measurements/suite.md, from the newest results of `all`.
    Readme,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RunArguments {
    /// Take a quick look, in about ten minutes: fewer rounds and trials, nothing to publish.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Number of rounds (default: nine, or two with --quick).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: Option<u32>,
    /// Contestants to run, by name (default: all).
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Connections that Holdfast alone grows to in `idle` and holds in `held`. A million take 8 GB.
    #[arg(long, default_value_t = 200_000)]
    pub(crate) grow_max: u32,
    /// Most time for repeating noisy trials, in all.
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    pub(crate) rerun_time: Duration,
    /// CPU for the servers.
    #[arg(long, default_value_t = 0)]
    pub(crate) server_cpu: usize,
    /// CPU for the load.
    #[arg(long, default_value_t = 1)]
    pub(crate) load_cpu: usize,
    /// Continue an interrupted run of the same command, on the same machine and commit, from the file it left.
    #[arg(long, value_name = "FILE")]
    pub(crate) go_on: Option<PathBuf>,
    /// Do not build; run what was built before.
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Print what would run and how long it would take, then exit.
    #[arg(long)]
    pub(crate) plan: bool,
    /// Folder for results and reports (default: bench/results/ of the source tree).
    #[arg(long)]
    pub(crate) results: Option<PathBuf>,
    /// Target folder of cargo; its release/ and variants/ hold the programs (default: that of this program).
    #[arg(long)]
    pub(crate) target: Option<PathBuf>,
}
