//! The Web PubSub protocol on the wire: tokens, the JSON subprotocol, events as CloudEvents, REST. No sockets, no
//! clock.
//!
//! Bytes that came go in, what they mean comes out, and the other way round. Whatever comes from outside is bounded
//! and refused with an error, never with a panic. Times are arguments, in seconds since 1970, UTC.
//!
//! - [`token`]: who may connect and who may call REST. [`identity`]: tokens of identity providers, and their keys.
//!   [`role`]: what a role of a client allows it.
//! - [`client`]: the target of an opening handshake. [`json`]: what JSON clients say and hear.
//! - [`event`]: what a service is told, and what its answers mean.
//! - [`rest`]: what a service asks for, and how it is answered. [`filter`]: which connections it means.
//! - [`Endpoint`], [`names`], [`Data`]: what all of these share.
#![forbid(unsafe_code)]

pub mod client;
mod data;
mod endpoint;
pub mod event;
pub mod filter;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod identity;
pub mod json;
pub mod names;
mod object;
mod query;
pub mod rest;
pub mod role;
mod sink;
pub mod token;

pub use data::{Data, DataKind};
pub use endpoint::{Endpoint, EndpointError};
pub use query::RESERVED;
