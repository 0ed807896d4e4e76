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

/// Opens, holds, echoes and compares WebSocket connections.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Open many connections, keep them, close them; report what each costs in memory.
    Hold(HoldArguments),
    /// Open more and more connections; report at each step what the server and the kernel have grown by.
    Grow(GrowArguments),
    /// Keep messages in flight and check every reply; report latency and CPU per message.
    Echo(EchoArguments),
    /// The longest pause of honest connections while thousands of others are killed at once.
    Pause(PauseArguments),
    /// Thousands never end their opening handshake; what honest connections and newcomers notice.
    Slowloris(SlowlorisArguments),
    /// Connections come, talk, leave and die for a long time; nothing may grow, and the counters must add up.
    Soak(SoakArguments),
    /// Everybody connects at once: how fast they are let in, and what it costs.
    Storm(StormArguments),
    /// Everybody connects at once, and then each keeps messages in flight: how many are answered, and what each costs.
    Arena(ArenaArguments),
    /// Connections that live for a moment, one after the other: what a visit costs.
    Churn(ChurnArguments),
    /// Send one message to all connections; report when the last one has it, and CPU per delivery.
    FanOut(FanOutArguments),
    /// Start `holdfast`, open a million connections, hold them, talk, send to all of them, drain; report what it took.
    Million(MillionArguments),
    /// Start `holdfast` on each driver and `holdfast-floor`, run `echo` against them in turn.
    Compare(CompareArguments),
    /// One of the processes that hold connections; driven by lines on standard input.
    #[command(hide = true)]
    Child(ChildArguments),
}

/// Which server, and from which addresses it is reached.
#[derive(Args, Clone, Debug)]
pub(crate) struct TargetArguments {
    /// Server; `tcp://` means the same as `ws://` with --raw.
    #[arg(long, default_value = "ws://127.0.0.1:8085/")]
    pub(crate) url: String,
    /// Connections from one source address (127.1.x.y; only when the server is in 127/8). One address has
    /// about 28,000 ports to one destination, and looking for a free one gets slow long before that.
    #[arg(long, default_value_t = PER_ADDRESS, value_parser = clap::value_parser!(u32).range(1..=25_000))]
    pub(crate) per_address: u32,
    /// TCP only: no opening handshake, no frames to parse, no closing handshake.
    #[arg(long)]
    pub(crate) raw: bool,
    /// Offer permessage-deflate, and demand that it is agreed on; messages are sent as they are, and their echoes must come
    /// back so, which short ones do.
    #[arg(long, conflicts_with = "raw")]
    pub(crate) deflate: bool,
    /// Give up when nothing at all has moved for this long.
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
    /// Opening handshakes, pings or closing handshakes in flight at once, over all processes.
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: u32,
    /// Connections held by one process.
    #[arg(long, default_value_t = 18_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) per_process: u32,
}

/// The server's process, and where it and this one run.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServerArguments {
    /// Server's process: its CPU time is reported.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Pin every thread of --pid to this CPU.
    #[arg(long, requires = "pid")]
    pub(crate) pin_server: Option<usize>,
    /// Pin this process to this CPU.
    #[arg(long)]
    pub(crate) pin_client: Option<usize>,
    /// Scheduling priority, -20 to 19, of this process and of the server (--pid): below 0 where the machine has
    /// other work (root only).
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
    /// How long to hold them after they are all open.
    #[arg(long = "for", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Open, hold and close this often.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Send one ping per connection and check each pong.
    #[arg(long, conflicts_with = "raw")]
    pub(crate) ping_each: bool,
    /// Send one text message per connection and check each echo.
    #[arg(long, conflicts_with = "raw")]
    pub(crate) message_each: bool,
    /// Server's process: its memory is reported, and as root the kernel's.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Server's admin address, for example http://127.0.0.1:9085/: its gauge of connections must agree.
    #[arg(long)]
    pub(crate) admin: Option<String>,
    /// JSON report of a `hold --raw` run against `holdfast-floor hold`, to subtract the bare socket.
    #[arg(long, requires = "pid")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write the report here as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct GrowArguments {
    /// Connections to have open at each step, ascending: 1000,10000,18000.
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) steps: Vec<u32>,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    /// Server's process: its memory is reported, and as root the kernel's.
    #[arg(long)]
    pub(crate) pid: u32,
    /// Write the report here as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// The traffic of an echo run.
#[derive(Args, Clone, Debug)]
pub(crate) struct TrafficArguments {
    /// Connections that the messages rotate over.
    #[arg(short = 'c', long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Messages in flight.
    #[arg(short = 'a', long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) active: u32,
    /// Payload bytes of a message.
    #[arg(short = 's', long, default_value_t = 64)]
    pub(crate) size: usize,
    /// Text messages (default: binary).
    #[arg(long)]
    pub(crate) text: bool,
    /// Never sleep: look for replies again and again. To wake this end is then no part of what a message costs the server,
    /// which with one in flight is up to half of it.
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
    /// Measure this many replies instead.
    #[arg(long, conflicts_with = "duration")]
    pub(crate) messages: Option<u64>,
    /// Messages per second, each due by the clock whatever becomes of those before, its latency counted from when it was due
    /// (default: as fast as replies come). Still at most -a in flight.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Further connections without traffic, opened before and held by other processes.
    #[arg(long, default_value_t = 0)]
    pub(crate) held: u32,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    /// Traffic before the measurement.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) warmup: Duration,
    /// Server's process: its CPU time and memory are reported, and as root the kernel's memory.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Server's admin address: its counters of syscalls and completions are reported per message.
    #[arg(long)]
    pub(crate) admin: Option<String>,
    /// Leave out the kernel's memory, which takes seconds to count.
    #[arg(long)]
    pub(crate) no_slabs: bool,
    /// Then measure latency once more as long, this process and the server (--pid) at real-time priority: what else the
    /// machine does is left out of it (root only).
    #[arg(long, requires = "pid")]
    pub(crate) real_time: bool,
    /// Pin every thread of --pid to this CPU.
    #[arg(long, requires = "pid")]
    pub(crate) pin_server: Option<usize>,
    /// Scheduling priority, -20 to 19, of this process and of the server (--pid): below 0 where the machine has
    /// other work (root only).
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub(crate) priority: Option<i32>,
    /// Pin this process to this CPU.
    #[arg(long)]
    pub(crate) pin_client: Option<usize>,
    /// Write the report here as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// How the silent connections go away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Kill {
    /// Nothing happens: what the rig itself shows.
    None,
    /// Every one is closed with SO_LINGER 0: an RST each.
    Reset,
    /// The processes that hold them are killed: a FIN each, no close frame.
    Fin,
    /// Every one sends a frame without a mask: the server must close it (close code 1002).
    Error,
    /// The server closes them itself: --pid gets SIGUSR1, for which it must be the example `close_on_signal`.
    Gateway,
}

#[derive(Args, Debug)]
pub(crate) struct PauseArguments {
    /// Connections in all: honest ones, silent ones that stay, silent ones that are killed.
    #[arg(short = 'n', long, default_value_t = 18_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// Connections with echo traffic.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) honest: u32,
    /// Silent connections to kill at once.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) victims: u32,
    #[arg(long, value_enum, default_value_t = Kill::Reset)]
    pub(crate) kill: Kill,
    /// Another server, which holds the victims: what the honest then wait for is the machine's part, not the server's.
    #[arg(long)]
    pub(crate) victims_url: Option<String>,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    /// Processes that hold the victims.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) killers: u32,
    /// Control and kill, this often.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Traffic of a control run, and of a kill run (the kill comes after a fifth of it).
    #[arg(long = "for", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Honest messages per second; well below what the server can do, so that a pause is the server's.
    #[arg(long, default_value_t = 5000.0)]
    pub(crate) rate: f64,
    /// Honest messages in flight at most.
    #[arg(short = 'a', long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) active: u32,
    /// Payload bytes of an honest message.
    #[arg(short = 's', long, default_value_t = 64)]
    pub(crate) size: usize,
    /// Server's process, for --priority.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Scheduling priority, -20 to 19, of this process and of the server (--pid): below 0 where the machine has
    /// other work (root only).
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub(crate) priority: Option<i32>,
    /// Server's admin address: its gauge of connections must fall to the survivors.
    #[arg(long)]
    pub(crate) admin: Option<String>,
    /// Write the report here as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct SlowlorisArguments {
    /// Connections that never end their opening handshake, at any moment.
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
    /// Without and with the attack, this often.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Measured part of each half of a round.
    #[arg(long = "for", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Before it: long enough for all attackers to be there, and to be answered 408 for the first time.
    #[arg(long, default_value = "3s", value_parser = humantime::parse_duration)]
    pub(crate) warmup: Duration,
    /// Server's process, for --priority.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Scheduling priority, -20 to 19, of this process and of the server (--pid): below 0 where the machine has
    /// other work (root only).
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub(crate) priority: Option<i32>,
    /// Write the report here as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct SoakArguments {
    /// Connections at any moment.
    #[arg(short = 'n', long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// Of them new in each second.
    #[arg(long, default_value_t = 200.0)]
    pub(crate) churn: f64,
    /// How long.
    #[arg(long = "for", default_value = "30m", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Who does what when follows from it.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Server's process: its memory and descriptors must not grow.
    #[arg(long)]
    pub(crate) pid: u32,
    /// Server's admin address: its counters must add up. Nobody else may be connected.
    #[arg(long)]
    pub(crate) admin: String,
    /// Write the report here as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct CompareArguments {
    /// Rungs of `holdfast` to run (its --driver).
    #[arg(long, value_delimiter = ',', default_value = "uring,epoll")]
    pub(crate) drivers: Vec<String>,
    /// Leave out `holdfast-floor`.
    #[arg(long)]
    pub(crate) no_floor: bool,
    #[command(flatten)]
    pub(crate) traffic: TrafficArguments,
    /// Alternated rounds.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Measured part of each run.
    #[arg(long = "for", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// Traffic before the measured part.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) warmup: Duration,
    /// CPU of the servers.
    #[arg(long, default_value_t = 0)]
    pub(crate) server_cpu: usize,
    /// CPU of this process.
    #[arg(long, default_value_t = 1)]
    pub(crate) client_cpu: usize,
    /// Scheduling priority, -20 to 19, of this process and of the servers: below 0 where the machine has
    /// other work (root only).
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub(crate) priority: Option<i32>,
    /// Folder with the binaries `holdfast` and `holdfast-floor` (default: that of this program).
    #[arg(long)]
    pub(crate) binaries: Option<PathBuf>,
    /// Write every run here as JSON.
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
