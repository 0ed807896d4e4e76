//! `holdfast-load`: opens and holds WebSocket connections, echoes messages over them, and says what
//! both cost the server. See `bench/README.md` for what each number means.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a report on standard output is what this program is for")]

mod arena;
mod arguments;
mod churn;
mod command;
mod compare;
mod echo;
mod fan_out;
mod frame;
mod grow;
mod handshake;
mod hold;
mod hub;
mod interrupt;
mod measure;
mod million;
mod pause;
mod payload;
mod report;
mod schedule;
mod server;
mod slowloris;
mod soak;
mod socket;
mod statistics;
mod storm;
mod target;
mod waits;

use std::process::ExitCode;

use clap::Parser;

use command::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Command::Child(child) = &arguments.command {
        return hold::child::run(child);
    }
    interrupt::listen()?;
    socket::raise_descriptor_limit()?;
    match &arguments.command {
        Command::Hold(hold) => hold::run(hold),
        Command::Grow(grow) => grow::run(grow),
        Command::Echo(echo) => echo::run(echo),
        Command::FanOut(fan_out) => fan_out::run(fan_out),
        Command::Million(million) => million::run(million),
        Command::Pause(pause) => pause::run(pause),
        Command::Slowloris(slowloris) => slowloris::run(slowloris),
        Command::Soak(soak) => soak::run(soak),
        Command::Storm(storm) => storm::run(storm),
        Command::Arena(arena) => arena::run(arena),
        Command::Churn(churn) => churn::run(churn),
        Command::Compare(compare) => compare::run(compare),
        Command::Child(_) => Ok(()),
    }
}
