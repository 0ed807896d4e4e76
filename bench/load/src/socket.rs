//! Non-blocking TCP sockets that connect from a chosen source address.

use std::io;
use std::os::fd::OwnedFd;

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::target::Target;

/// Begins to connect connection `index`; it is writable once connected.
///
/// # Errors
///
/// Whatever socket(2), bind(2) or connect(2) say; EADDRNOTAVAIL means that the source address has no port left.
pub(crate) fn begin_connect(target: &Target, index: u32) -> io::Result<OwnedFd> {
    let family = if target.address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let Some(source) = target.source(index) {
        // ip(7): the port is chosen at connect, so that it needs to be free only towards this destination.
        setsockopt(&socket, IpBindAddressNoPort, &true)?;
        bind(&socket, &source)?;
    }
    match connect(&socket, &target.address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// Raises the soft descriptor limit to the hard one, here and in the processes started from here.
pub(crate) fn raise_descriptor_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(())
}

/// Connections that fit one process: the descriptor limit less a few for pipes and files.
pub(crate) fn connections_max() -> u32 {
    const OTHERS: u64 = 200;
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    u32::try_from(limit.saturating_sub(OTHERS)).unwrap_or(u32::MAX)
}
