//! The command line: one of these.

use clap::{Parser, Subcommand};

use crate::arena::ArenaArguments;
use crate::churn::ChurnArguments;
use crate::compare::CompareArguments;
use crate::echo::EchoArguments;
use crate::fan_out::FanOutArguments;
use crate::grow::GrowArguments;
use crate::hold::{ChildArguments, HoldArguments};
use crate::million::MillionArguments;
use crate::pause::PauseArguments;
use crate::slowloris::SlowlorisArguments;
use crate::soak::SoakArguments;
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
