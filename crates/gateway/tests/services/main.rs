//! Hubs as clients and services meet them: the program with a settings file, clients and REST over real sockets, and
//! services that the tests write themselves, on every rung.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test fails by panicking, and says why it skips"
)]

#[path = "../rig/mod.rs"]
mod rig;

mod admission;
mod connect;
mod ends;
mod events;
mod filters;
mod groups;
mod house;
mod identity;
mod inside;
mod limits;
mod nats;
#[path = "../../../nats/tests/bus/server.rs"]
#[allow(dead_code, reason = "as the tests of another crate have it")]
mod nats_server;
mod numbers;
mod port;
mod provider;
mod reliable;
mod reload;
mod secrets;
mod service;
