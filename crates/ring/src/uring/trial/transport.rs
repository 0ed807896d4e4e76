//! Where the trial makes its connections: over loopback, as TCP, which is what peers use; and as Unix sockets, which
//! need no network, where nothing arrives over loopback: it is down, or a firewall drops what comes over it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept, bind, connect, getsockname, listen,
    socket_with,
    sockopt::{Timeout, set_socket_timeout},
};

use super::{Failure, PEER_PATIENCE};

/// How long connecting may take. Over loopback it takes some microseconds, unless nothing arrives there.
const CONNECT_PATIENCE: Duration = Duration::from_millis(500);

/// Where connections are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// TCP over 127.0.0.1.
    Loopback,
    /// Unix sockets, with a name that the kernel chooses and no file.
    Unix,
}

/// A way to make a peer.
type Connect = Box<dyn Fn() -> io::Result<File>>;

impl Transport {
    /// Loopback, if connections and bytes go over it. If not, Unix sockets, and why. Takes less than a second.
    pub(super) fn find() -> (Self, Option<String>) {
        match passes_bytes() {
            Ok(()) => (Self::Loopback, None),
            Err(why) => (Self::Unix, Some(why)),
        }
    }

    /// A listener, and a way to connect to it. Peers wait [`PEER_PATIENCE`] for what they read.
    pub(super) fn listen(self) -> Result<(OwnedFd, Connect), Failure> {
        match self {
            Self::Loopback => {
                let socket =
                    socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
                bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
                listen(&socket, 4)?;
                let address = SocketAddr::try_from(getsockname(&socket)?)?;
                Ok((socket, Box::new(move || connected(AddressFamily::INET, |peer| connect(peer, &address)))))
            }
            Self::Unix => {
                let socket =
                    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
                bind(&socket, &SocketAddrUnix::new_unnamed())?;
                listen(&socket, 4)?;
                let address = getsockname(&socket)?;
                Ok((socket, Box::new(move || connected(AddressFamily::UNIX, |peer| connect(peer, &address)))))
            }
        }
    }
}

fn connected(
    family: AddressFamily,
    connect: impl Fn(&OwnedFd) -> rustix::io::Result<()>,
) -> io::Result<File> {
    let peer = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&peer, Timeout::Recv, Some(PEER_PATIENCE))?;
    // socket(7): connect(2) ends with EINPROGRESS when this time is over.
    set_socket_timeout(&peer, Timeout::Send, Some(CONNECT_PATIENCE))?;
    loop {
        return match connect(&peer) {
            Ok(()) | Err(Errno::ISCONN) => Ok(File::from(peer)),
            // Work that the kernel does for a ring in this thread interrupts its waits. What was begun goes on.
            Err(Errno::INTR) => continue,
            Err(Errno::INPROGRESS | Errno::AGAIN) => Err(io::ErrorKind::TimedOut.into()),
            Err(error) => Err(error.into()),
        };
    }
}

/// Whether a peer can connect over loopback, is accepted, and each hears the other; why not otherwise.
fn passes_bytes() -> Result<(), String> {
    let (listener, connect) =
        Transport::Loopback.listen().map_err(|failure| format!("no listener: {failure}"))?;
    passes_bytes_between(&listener, &connect)
}

fn passes_bytes_between(listener: &OwnedFd, connect: &Connect) -> Result<(), String> {
    let mut peer = connect().map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => format!("a connection is not answered within {CONNECT_PATIENCE:?}"),
        _ => format!("a connection fails: {error}"),
    })?;
    let mut talk = || {
        // For accept(2) too.
        set_socket_timeout(listener, Timeout::Recv, Some(PEER_PATIENCE))?;
        let mut socket = File::from(rustix::io::retry_on_intr(|| accept(listener))?);
        set_socket_timeout(&socket, Timeout::Recv, Some(PEER_PATIENCE))?;
        let mut heard = [0; 8];
        peer.write_all(b"holdfast")?;
        socket.read_exact(&mut heard)?;
        socket.write_all(&heard)?;
        peer.read_exact(&mut heard)?;
        Ok::<_, io::Error>(heard)
    };
    match talk() {
        Ok(heard) if &heard == b"holdfast" => Ok(()),
        Ok(_) => Err("what is sent does not arrive as it was".into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(format!("what is sent does not arrive within {PEER_PATIENCE:?}"))
        }
        Err(error) => Err(format!("a connection breaks: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Trial, over};
    use super::*;

    #[test]
    fn a_loopback_that_works_is_taken() {
        assert_eq!(Transport::find(), (Transport::Loopback, None));
    }

    #[test]
    fn a_connection_that_nobody_answers_is_given_up_within_a_second() {
        let (listener, connect) = Transport::Loopback.listen().expect("a listener");
        // Where its queue is full, the kernel drops what comes, as a firewall does.
        let (held, error) = fill(&connect);
        assert_eq!(
            (error.kind(), error.raw_os_error()),
            (io::ErrorKind::TimedOut, None),
            "not the kernel's two minutes"
        );
        assert!(held.len() > 1);
        let why = passes_bytes_between(&listener, &connect).expect_err("the queue is still full");
        assert_eq!(why, "a connection is not answered within 500ms");
    }

    fn fill(connect: &Connect) -> (Vec<File>, io::Error) {
        let mut held = Vec::new();
        loop {
            match connect() {
                Ok(peer) => held.push(peer),
                Err(error) => return (held, error),
            }
        }
    }

    #[test]
    fn unix_sockets_find_what_tcp_finds() {
        for baseline_only in [true, false] {
            let tcp = over(Transport::Loopback, baseline_only);
            let unix = over(Transport::Unix, baseline_only);
            let capabilities = |trial: &Result<Trial, _>| trial.as_ref().ok().map(|trial| trial.capabilities);
            assert_eq!(capabilities(&unix), capabilities(&tcp), "{unix:?}, and over TCP {tcp:?}");
        }
    }
}
