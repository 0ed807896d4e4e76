//! The bus against real NATS servers: Debian's nats-server, which each test starts for itself. Where there is none,
//! these tests are skipped, and say so.

mod faults;
mod lame;
mod messages;
mod messenger;
mod node;
mod operator;
mod server;
mod tls;
