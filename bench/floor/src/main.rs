//! `holdfast-floor`: the yardstick. A TCP server with as little in it as a server can have.
//!
//! `holdfast-floor echo [ADDR:PORT]` sends back whatever it receives, on one thread, with epoll.
//! `holdfast-floor hold [ADDR:PORT]` accepts connections and does nothing else. `holdfast-floor fan-out [ADDR:PORT]`
//! accepts connections, and sends to all of them what comes to its control address.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the start line is for whoever started it")]

mod echo;
mod fan_out;
mod hold;

use std::net::TcpListener;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const USAGE: &str = "usage: holdfast-floor echo|hold|fan-out [ADDR:PORT]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast-floor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let (mode, address) = match arguments {
        [mode] => (mode.as_str(), "127.0.0.1:8086"),
        [mode, address] => (mode.as_str(), address.as_str()),
        _ => return Err(USAGE.to_owned()),
    };
    let serve = match mode {
        "echo" => echo::serve,
        "hold" => hold::serve,
        "fan-out" => return fan_out(address),
        _ => return Err(USAGE.to_owned()),
    };
    raise_descriptor_limit()?;
    let listener = listen(address).map_err(|error| format!("{address}: {error}"))?;
    let bound = listener.local_addr().map_err(|error| error.to_string())?;
    println!("tcp://{bound}/ · {mode}");
    serve(&listener).map_err(|error| error.to_string())
}

fn fan_out(address: &str) -> Result<(), String> {
    raise_descriptor_limit()?;
    let listener = listen(address).map_err(|error| format!("{address}: {error}"))?;
    let control = listen("127.0.0.1:0").map_err(|error| format!("a control address: {error}"))?;
    let bound = listener.local_addr().map_err(|error| error.to_string())?;
    let control_bound = control.local_addr().map_err(|error| error.to_string())?;
    println!("tcp://{bound}/ · fan-out · control {control_bound}");
    fan_out::serve(&listener, &control).map_err(|error| error.to_string())
}

fn raise_descriptor_limit() -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .map_err(|error| format!("raising the descriptor limit: {error}"))
}

/// Listens with the longest accept queue that the kernel allows (the standard library asks for 128).
fn listen(address: &str) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    rustix::net::listen(&listener, i32::MAX)?;
    rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
    Ok(listener)
}
