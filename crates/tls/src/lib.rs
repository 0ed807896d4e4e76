//! TLS 1.3 and 1.2 for very many idle connections: 80 bytes for each. No sockets, no clock: bytes that came go in, what
//! is to be sent comes out.
//!
//! rustls makes the handshake and is dropped. Kept are two traffic secrets, two numbers of records and a few marks;
//! keys follow from the secrets whenever they are needed, for less than a microsecond, and are wiped behind the call.
//! Records are opened and sealed in the buffer they lie in. Nothing is allocated for them.
//!
//! What is promised: nothing is given out that the peer has not sealed, in its order, once; no number is used twice
//! with a key; whatever else comes is answered by an alert, never by a panic; all that a peer may send without an end
//! has a bound ([`HANDSHAKE_BYTES_MAX`], [`QUIET_MAX`], [`HANDSHAKE_RECORDS_MAX`], the length of a record). Refused are
//! renegotiation, early data, certificates after the handshake, and all versions before 1.2. Secrets are wiped where
//! they end and never shown.
//!
//! In the order of reading:
//!
//! - [`Config`]: certificates by name ([`Certificate`]), suites ([`Suite`]), whose client certificates are believed
//!   ([`Clients`]), keys of tickets ([`Tickets`]). [`Clock`] is set from outside.
//! - [`Handshake`]: takes bytes, cut anywhere, until it is [`Established`] or has a [`Failure`].
//! - [`Table`]: the states of a shard's connections. [`State`] is one with an owner of its own, which can be carried to
//!   another process; [`Session`] is one that is lent.
//! - [`open()`] and [`seal()`], with [`seal_copy`], [`alert()`] and [`refresh`].
//!
//! Whoever holds connections keeps five rules:
//!
//! 1. The bytes of a record that is not whole ([`Opened::rest`]) are copied out before anything is sealed in the
//!    buffer.
//! 2. What is sealed goes as it is, before all else, however often it takes: it is never dropped, put back or sealed
//!    again. What may still be dropped or overtaken is kept as it was before.
//! 3. An answer that is no longer than what came always fits where that lay, unless [`front`] says that new keys are
//!    due; [`seal()`] then moves it, if the buffer has as much more room behind.
//! 4. KeyUpdates are counted toward what a client may send in a second ([`Opened::key_updates`]).
//! 5. A connection that ends is wiped from the table ([`Table::wipe`]).
#![forbid(unsafe_code)]

mod alert;
mod bounds;
mod capture;
mod certificate;
mod clock;
mod config;
mod der;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod gather;
mod handshake;
mod header;
#[cfg(test)]
mod hostile;
mod keys;
mod leaf;
mod lens;
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
pub use bounds::{HANDSHAKE_BYTES_MAX, HANDSHAKE_RECORDS_MAX, QUIET_MAX};
pub use certificate::Certificate;
pub use clock::Clock;
pub use config::{ClientConfig, Clients, Config, Fact, Options};

pub use handshake::{Established, Failure, Handshake, Progress, Why};
pub use leaf::Leaf;
pub use lens::CONTENT_LEN_MAX;
pub use open::{End, Opened, open};
pub use seal::{
    ALERT_LEN_MAX, OVERHEAD_MAX, Unsealed, alert, front, is_open, refresh, seal, seal_copy, sealed_len,
};
pub use state::{CARRIED_LEN_MAX, Direction, NARROW_LEN, Role, Session, State, WIDE_LEN};
pub use suite::{Suite, Version, Width};
pub use table::Table;
pub use tickets::{TICKET_KEY_LEN, TICKET_KEYS_MAX, TICKET_LIFETIME_MAX, Tickets};
