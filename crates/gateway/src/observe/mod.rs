//! What others can see of the gateway: numbers, log lines, the access log.

pub(crate) mod access_log;
pub mod cluster;
pub mod counters;
pub(crate) mod lines;
pub mod logging;
pub mod metrics;

pub use access_log::Reopener;
