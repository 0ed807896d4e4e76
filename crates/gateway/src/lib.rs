//! Holdfast: a WebSocket gateway that holds very many mostly idle connections.
#![forbid(unsafe_code)]

pub mod counters;
pub mod limits;
pub mod logging;
pub mod metrics;
pub mod settings;
