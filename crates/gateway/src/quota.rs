//! How much each may have: rates, and what is counted over all shards.

mod rate;

pub(crate) use rate::{Rate, nanos};
