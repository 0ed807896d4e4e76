//! Tokens of identity providers, off the shards: [`worker`] is the thread that verifies them, [`keys`] has the keys and
//! fetches them on the control side, [`provider`] is what a hub's settings say of both.

mod keys;
mod provider;
mod worker;

pub(crate) use keys::Fetches;
pub(crate) use provider::{Provider, ProviderError, Unverified, keys_of};
pub(crate) use worker::Worker;

#[cfg(test)]
mod tests;
