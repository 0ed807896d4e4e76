//! Listening sockets: one per shard and address, so that the kernel spreads the peers and shards share nothing.

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, getsockname, listen, socket_with,
    sockopt,
};

use crate::settings::{Listen, Settings};

/// The listening sockets of one address.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// Where they listen; with the port taken, if port 0 was asked for.
    pub(crate) at: Listen,
    /// One for each shard.
    pub(crate) sockets: Vec<OwnedFd>,
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct ListenError {
    at: Listen,
    errno: Errno,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, errno } = self;
        match *errno {
            Errno::ADDRINUSE => {
                write!(f, "{at} is taken: another process listens there; stop it or change --listen")
            }
            Errno::ADDRNOTAVAIL => {
                write!(
                    f,
                    "{at} is no address of this machine: change --listen (0.0.0.0:PORT takes all of them)"
                )
            }
            Errno::ACCESS => {
                write!(f, "listening on {at} is not permitted: take a port above 1023 with --listen")
            }
            Errno::AFNOSUPPORT => write!(f, "this machine has no IPv6 for {at}: change --listen"),
            errno => write!(f, "cannot listen on {at}: {errno} (change --listen)"),
        }
    }
}

impl std::error::Error for ListenError {}

/// Opens the listening sockets of one address for `shards` shards.
///
/// # Errors
/// When the address is taken, not ours, or not permitted.
pub(crate) fn open(at: &Listen, shards: usize, settings: &Settings) -> Result<Listeners, ListenError> {
    match at {
        Listen::Tcp(address) => tcp(*address, shards, settings),
        Listen::Unix(path) => unix(path, shards, settings),
    }
    .map_err(|errno| ListenError { at: at.clone(), errno })
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
    Ok(Listeners { at: Listen::Tcp(bound), sockets })
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

fn unix(path: &Path, shards: usize, settings: &Settings) -> Result<Listeners, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    if bind(&socket, &address) == Err(Errno::ADDRINUSE) {
        remove_stale(path, &address)?;
        bind(&socket, &address)?;
    }
    listen(&socket, backlog(settings))?;
    let mut sockets = Vec::with_capacity(shards);
    for _ in 1..shards {
        sockets.push(rustix::io::fcntl_dupfd_cloexec(&socket, 0)?);
    }
    sockets.push(socket);
    Ok(Listeners { at: Listen::Unix(path.to_owned()), sockets })
}

/// Removes a socket that an instance left behind; one that still answers is taken.
fn remove_stale(path: &Path, address: &SocketAddrUnix) -> Result<(), Errno> {
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    match connect(&probe, address) {
        Err(Errno::CONNREFUSED) => rustix::fs::unlink(path),
        _ => Err(Errno::ADDRINUSE),
    }
}

fn backlog(settings: &Settings) -> i32 {
    i32::try_from(settings.backlog).unwrap_or(i32::MAX)
}

/// Paths of Unix sockets, removed when the gateway ends. Each with the file that is ours: while this gateway
/// drains, the next one may have put its own in its place.
#[derive(Debug, Default)]
pub(crate) struct Paths(Vec<(PathBuf, File)>);

/// What tells a file from another that takes its place: device, inode, and when it was made. (Inode numbers are given
/// again; of a socket's times, only that of modification stays when its permissions change.)
type File = (u64, u64, i64, i64);

impl Paths {
    /// Remembers the file that is at `path` now.
    pub(crate) fn add(&mut self, path: &Path) {
        if let Some(file) = file_at(path) {
            self.0.push((path.to_owned(), file));
        }
    }
}

impl Drop for Paths {
    fn drop(&mut self) {
        for (path, file) in &self.0 {
            if file_at(path).as_ref() == Some(file) {
                // Someone may have removed it already.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

fn file_at(path: &Path) -> Option<File> {
    let file = std::fs::symlink_metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.mtime(), file.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

    use rustix::net::accept;

    use super::*;

    fn any_port() -> Listen {
        Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    fn address(listeners: &Listeners) -> SocketAddr {
        match listeners.at {
            Listen::Tcp(address) => address,
            Listen::Unix(_) => panic!("not TCP"),
        }
    }

    #[test]
    fn a_second_instance_on_the_same_port_is_refused() {
        let settings = Settings::default();
        let first = open(&any_port(), 3, &settings).unwrap();
        assert_eq!(first.sockets.len(), 3);
        let error = open(&first.at, 3, &settings).unwrap_err();
        assert!(error.to_string().contains("is taken"), "{error}");
    }

    #[test]
    fn accepted_sockets_inherit_the_options() {
        let settings = Settings {
            tcp_user_timeout: Some(std::time::Duration::from_secs(7)),
            keepalive: Some(std::time::Duration::from_secs(33)),
            ..Settings::default()
        };
        let listeners = open(&any_port(), 1, &settings).unwrap();
        let _peer = TcpStream::connect(address(&listeners)).unwrap();
        let accepted = accept(&listeners.sockets[0]).unwrap();
        assert!(sockopt::tcp_nodelay(&accepted).unwrap(), "or small messages wait for acknowledgements");
        assert!(sockopt::socket_keepalive(&accepted).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&accepted).unwrap().as_secs(), 33);
        assert_eq!(sockopt::tcp_user_timeout(&accepted).unwrap(), 7000);
    }

    #[test]
    fn an_address_that_is_not_ours_is_refused_with_what_to_change() {
        let elsewhere = Listen::Tcp("192.0.2.1:8085".parse().unwrap());
        let error = open(&elsewhere, 1, &Settings::default()).unwrap_err();
        assert!(error.to_string().contains("--listen"), "{error}");
    }

    #[test]
    fn the_unspecified_ipv6_address_takes_ipv4_too_unless_told_otherwise() {
        let at = Listen::Tcp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)));
        let Ok(dual) = open(&at, 1, &Settings::default()) else {
            println!("skipped: this machine has no IPv6");
            return;
        };
        let port = address(&dual).port();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        let only = open(&at, 1, &Settings { ipv6_only: true, ..Settings::default() }).unwrap();
        let port = address(&only).port();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok());
    }

    #[test]
    fn a_unix_socket_left_behind_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let at = Listen::Unix(directory.path().join("holdfast.sock"));
        let first = open(&at, 2, &Settings::default()).unwrap();
        assert!(open(&at, 2, &Settings::default()).is_err(), "it is alive");
        drop(first);
        assert!(open(&at, 2, &Settings::default()).is_ok(), "nobody listens any more");
    }

    #[test]
    fn a_gateway_that_ends_leaves_the_next_ones_socket_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("holdfast.sock");
        let at = Listen::Unix(path.clone());
        let old = open(&at, 1, &Settings::default()).unwrap();
        let mut old_paths = Paths::default();
        old_paths.add(&path);
        // The old one drains: it has closed its listener and goes on for a while.
        drop(old);
        let next = open(&at, 1, &Settings::default()).unwrap();
        drop(old_paths);
        assert!(path.exists());
        let mut next_paths = Paths::default();
        next_paths.add(&path);
        drop((next, next_paths));
        assert!(!path.exists());
    }
}
