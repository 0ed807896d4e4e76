//! What several commands can be asked for.

use std::time::Duration;

use clap::Args;

use crate::measure::process;

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
    /// Ask for this subprotocol and insist on it.
    #[arg(long, conflicts_with = "raw")]
    pub(crate) protocol: Option<String>,
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
            protocol: None,
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
