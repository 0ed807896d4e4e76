//! The bus against real NATS servers: Debian's nats-server, which each test starts for itself. Where there is none,
//! these tests are skipped, and say so.
#![allow(clippy::unwrap_used, reason = "tests")]

mod client;
mod fake;
mod faults;
mod hostile;
mod lame;
mod later;
mod messages;
mod messenger;
mod node;
mod operator;
mod server;
mod tls;
