//! Listening sockets: one per shard and address, so that the kernel spreads the peers and shards share nothing.

mod error;
mod group;
mod listeners;
mod patience;
mod socket_file;
mod unix;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt};

pub use error::ListenError;
pub(crate) use listeners::Listeners;
pub(crate) use patience::Patience;
pub(crate) use socket_file::SocketFile;

use crate::limits::{MemoryLimit, memory_limit};
use crate::settings::{Listen, Settings};
use listeners::backlog;

/// Opens the listening sockets of one address for `shards` shards. An address that is taken is waited for.
///
/// # Errors
/// When the address stays taken, is not ours, or not permitted.
pub(crate) fn open(
    at: &Listen,
    shards: usize,
    settings: &Settings,
    patience: &mut Patience,
) -> Result<Listeners, ListenError> {
    let attempt = || match at {
        Listen::Tcp(address) => tcp(*address, shards, settings).map_err(|errno| ListenError::of(at, errno)),
        Listen::Unix(path) => unix::open(path, shards, settings),
    };
    patience.retry(at, attempt, |error| error.is_taken)
}

fn tcp(address: SocketAddr, shards: usize, settings: &Settings) -> Result<Listeners, Errno> {
    // The first binds without SO_REUSEPORT: with it, a second instance would bind silently and take half of the peers.
    let first = tcp_socket(address, settings)?;
    bind(&first, &address)?;
    let bound = SocketAddr::try_from(getsockname(&first)?)?;
    sockopt::set_socket_reuseport(&first, true)?;
    let mut sockets = vec![first];
    for _ in 1..shards {
        let next = tcp_socket(address, settings)?;
        sockopt::set_socket_reuseport(&next, true)?;
        bind(&next, &bound)?;
        sockets.push(next);
    }
    for socket in &sockets {
        listen(socket, backlog(settings))?;
    }
    Ok(Listeners { at: Listen::Tcp(bound), sockets, file: None })
}

/// A socket with the options that accepted sockets inherit.
fn tcp_socket(address: SocketAddr, settings: &Settings) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Connections of an instance that has just ended do not keep the address.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, settings.ipv6_only)?;
    }
    // Without it the second of two small messages waits for the acknowledgement of the first, 40 ms or more.
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let Some(bytes) = memory_limit().and_then(MemoryLimit::socket_buffer_bytes) {
        // The kernel doubles what it is told.
        sockopt::set_socket_send_buffer_size(&socket, bytes / 2)?;
        sockopt::set_socket_recv_buffer_size(&socket, bytes / 2)?;
    }
    if let Some(idle) = settings.keepalive {
        sockopt::set_socket_keepalive(&socket, true)?;
        sockopt::set_tcp_keepidle(&socket, idle)?;
        sockopt::set_tcp_keepintvl(&socket, idle.min(KEEPALIVE_INTERVAL_MAX))?;
    }
    if let Some(timeout) = settings.tcp_user_timeout {
        sockopt::set_tcp_user_timeout(&socket, u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX))?;
    }
    Ok(socket)
}

/// Longest time between two keepalive probes of a peer that does not answer: Linux sends nine of them.
const KEEPALIVE_INTERVAL_MAX: std::time::Duration = std::time::Duration::from_secs(15);

#[cfg(test)]
mod tests;
