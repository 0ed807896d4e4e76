//! What is opened for one address.

use std::os::fd::OwnedFd;

use super::socket_file::SocketFile;
use crate::settings::{Listen, Settings};

/// The listening sockets of one address.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// Where they listen; with the port taken, if port 0 was asked for.
    pub(crate) at: Listen,
    /// One for each shard.
    pub(crate) sockets: Vec<OwnedFd>,
    /// Of a Unix socket.
    pub(crate) file: Option<SocketFile>,
}

/// How many peers may wait to be accepted.
pub(super) fn backlog(settings: &Settings) -> i32 {
    i32::try_from(settings.backlog).unwrap_or(i32::MAX)
}
