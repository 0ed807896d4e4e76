//! Requests to the services behind the gateway: several addresses, repeats, a circuit breaker, bounds on all they may
//! answer.
//!
//! An [`Endpoint`] is a service with one or more addresses, tried in their order. [`Endpoint::post`] sends one request
//! and says what came of it, how often it was sent and how long that took. What it never does: follow a redirect, look
//! at proxy variables, send a request twice that must be sent once at most, or show a secret that an address has.
//! A [`Document`] is what is fetched now and then, from a file or over HTTP.
//!
//! - **HTTP/1.1** on `http://` and `unix:`, HTTP/1.1 or HTTP/2 on `https://`, as the service chooses.
//! - **Whether a byte was sent** is counted at the socket, beneath TLS, and not inferred from errors.
//! - **Bounds**: see [`Limits`]. Requests at once are the caller's to bound; past
//!   [`connections_max`](Limits::connections_max) they wait for each other.
//!
//! It is made for one tokio runtime of one thread. Dropping a future aborts what it does.
#![forbid(unsafe_code)]

mod address;
mod answer;
mod breaker;
mod client;
mod dial;
mod document;
mod endpoint;
mod exchange;
mod jitter;
mod limits;
mod pool;
mod resolve;

pub use address::{Address, AddressError};
pub use answer::{Answer, Failure, Kind, Outcome, Report};
pub use breaker::State;
pub use client::Client;
pub use dial::tls::{Tls, TlsError};
pub use document::{DOCUMENT_LEN_MAX, Document, DocumentError, FETCH_MAX, SourceError, check_source};
pub use endpoint::{Endpoint, Repeat, VALIDATE_MAX};
pub use limits::Limits;
pub use resolve::{Lookup, Resolve, SystemResolver};
