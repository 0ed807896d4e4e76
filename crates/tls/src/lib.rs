//! TLS with 80 bytes for each connection. No sockets, no clock: bytes that came go in, what is to be sent comes out.
#![forbid(unsafe_code)]

mod alert;
mod capture;
mod certificate;
mod clock;
mod config;
mod der;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod handshake;
mod header;
#[cfg(test)]
mod hostile;
mod keys;
mod leaf;
mod marks;
mod names;
mod open;
mod post;
mod seal;
mod secret;
mod state;
mod suite;
mod table;
mod tickets;
mod v12;
mod v13;

pub use alert::Alert;
pub use certificate::Certificate;
pub use clock::Clock;
pub use config::{Clients, Config, Fact, Options};
pub use handshake::{Established, Failure, HANDSHAKE_BYTES_MAX, Handshake, Progress, Why};
pub use header::CONTENT_LEN_MAX;
pub use leaf::Leaf;
pub use open::{End, HANDSHAKE_RECORDS_MAX, Opened, QUIET_MAX, open};
pub use seal::{
    ALERT_LEN_MAX, OVERHEAD_MAX, Unsealed, alert, front, is_open, refresh, seal, seal_copy, sealed_len,
};
pub use state::{CARRIED_LEN_MAX, Direction, NARROW_LEN, Role, Session, State, WIDE_LEN};
pub use suite::{Suite, Version, Width};
pub use table::Table;
pub use tickets::{TICKET_KEY_LEN, TICKET_KEYS_MAX, TICKET_LIFETIME_MAX, Tickets};
