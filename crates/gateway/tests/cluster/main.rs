//! Several whole gateways in this process that are nodes of one cluster: clients of all of them, REST on each.
//!
//! The bus is simulated. The same short suite runs over NATS where `NATS_SERVER_PROGRAM` names the server's program:
//!
//! ```text
//! NATS_SERVER_PROGRAM=/usr/sbin/nats-server cargo test -p holdfast --test cluster nats
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test fails by panicking, and says why it skips"
)]

#[path = "../services/house.rs"]
#[allow(dead_code, reason = "another test's own")]
mod house;
#[path = "../rig/mod.rs"]
mod rig;
#[path = "../services/service.rs"]
#[allow(dead_code, reason = "another test's own")]
mod service;

mod faults;
mod garbage;
mod messages;
mod nats;
mod nodes;
mod questions;
