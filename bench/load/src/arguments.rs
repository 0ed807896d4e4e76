//! What can be asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::arena::ArenaArguments;
use crate::churn::ChurnArguments;
use crate::fan_out::FanOutArguments;
use crate::measure::process;
use crate::million::MillionArguments;
use crate::storm::StormArguments;

/// Loads a WebSocket server and reports what connections and messages cost it.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Open many connections, hold them, close them; report the memory each one costs.
    Hold(HoldArguments),
    /// Open more and more connections; report at each step how much the server and the kernel have grown.
    Grow(GrowArguments),
    /// Keep messages in flight and check every reply; report latency and CPU per message.
    Echo(EchoArguments),
    /// Kill thousands of connections at once; report the longest wait of the others.
    Pause(PauseArguments),
    /// Attack with thousands of opening handshakes that never end; report what others notice.
    Slowloris(SlowlorisArguments),
    /// Open, use and end connections for a long time; nothing may grow, and the counters must add up.
    Soak(SoakArguments),
    /// Open all connections at once; report how fast they get in and what each costs.
    Storm(StormArguments),
    /// Open all connections at once, then keep messages in flight on each; report the rate and CPU per message.
    Arena(ArenaArguments),
    /// Open short-lived connections, one after the other; report what each one costs.
    Churn(ChurnArguments),
    /// Send one message to all connections; report when the last one has it, and CPU per delivery.
    FanOut(FanOutArguments),
    /// Start `holdfast`, open a million connections, hold them, talk, broadcast, drain; report what it took.
    Million(MillionArguments),
    /// Start `holdfast` on each driver, and `holdfast-floor`; run `echo` against them in turn.
    Compare(CompareArguments),
    /// One of the processes that hold connections; driven by lines on standard input.
    #[command(hide = true)]
    Child(ChildArguments),
}

/// Which server, and from which addresses it is reached.
#[derive(Args, Clone, Debug)]
pub(crate) struct TargetArguments {
    /// Server to load. `tcp://` means `ws://` with --raw.
    #[arg(long, default_value = "ws://127.0.0.1:8085/")]
    pub(crate) url: String,
    /// Connections from one source address (127.1.x.y; only when the server is in 127/8). An address has about 28,000
    /// ports for one destination, and finding a free one gets slow long before that.
    #[arg(long, default_value_t = PER_ADDRESS, value_parser = clap::value_parser!(u32).range(1..=25_000))]
    pub(crate) per_address: u32,
    /// TCP only: no opening handshake, no frames to parse, no closing handshake.
    #[arg(long)]
    pub(crate) raw: bool,
    /// Offer permessage-deflate and insist on it. Messages are sent uncompressed and must come back uncompressed, as
    /// short ones do.
    #[arg(long, conflicts_with = "raw")]
    pub(crate) deflate: bool,
    /// Give up when nothing has moved for this long.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) stall: Duration,
}

const PER_ADDRESS: u32 = 2000;

impl TargetArguments {
    /// The defaults, with another address.
    pub(crate) fn to(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            per_address: PER_ADDRESS,
            raw: false,
            deflate: false,
            stall: Duration::from_secs(30),
        }
    }
}

/// How connections are opened and closed.
#[derive(Args, Clone, Debug)]
pub(crate) struct PaceArguments {
    /// Opening handshakes, pings or closing handshakes in flight at once, all processes together.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: u32,
    /// Connections for each process to hold.
    #[arg(long, default_value_t = 18_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) per_process: u32,
}

/// The server's process, and where it and this one run.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServerArguments {
    /// Process of the server; its CPU time is reported.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Pin every thread of --pid to this CPU.
    #[arg(long, requires = "pid")]
    pub(crate) pin_server: Option<usize>,
    /// Pin this process to this CPU.
    #[arg(long)]
    pub(crate) pin_client: Option<usize>,
    /// Scheduling priority, -20 to 19, of this process and of the server (--pid). Go below 0 on a machine with other
    /// work (root only).
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub(crate) priority: Option<i32>,
}

impl ServerArguments {
    /// Pins and prioritises as asked for.
    ///
    /// # Errors
    ///
    /// When there is no such process or CPU, or a priority is only for root.
    pub(crate) fn set_up(&self) -> anyhow::Result<()> {
        if let Some((pid, cpu)) = self.pid.zip(self.pin_server) {
            process::pin(pid, cpu)?;
        }
        if let Some(priority) = self.priority {
            process::prioritise(priority, self.pid)?;
        }
        self.pin_client.map_or(Ok(()), process::pin_self)
    }
}

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

#[derive(Args, Debug)]
pub(crate) struct GrowArguments {
    /// Connections open at each step, ascending, such as 1000,10000,18000.
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) steps: Vec<u32>,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    /// Process of the server; its memory is reported, and as root the kernel's.
    #[arg(long)]
    pub(crate) pid: u32,
    /// Write the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

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

#[derive(Args, Debug)]
pub(crate) struct SoakArguments {
    /// Connections at any moment.
    #[arg(short = 'n', long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// New connections per second.
    #[arg(long, default_value_t = 200.0)]
    pub(crate) churn: f64,
    /// How long to run.
    #[arg(long = "for", default_value = "30m", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Seed that decides who does what and when.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Process of the server; its memory and descriptors must not grow.
    #[arg(long)]
    pub(crate) pid: u32,
    /// Admin address of the server; its counters must add up. Nobody else may be connected.
    #[arg(long)]
    pub(crate) admin: String,
    /// Write the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

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
}
