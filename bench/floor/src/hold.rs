//! Accepts and holds: the price of a bare socket.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, accept, recv};

/// How long nobody may have connected before the ended connections are looked for.
const QUIET: Timespec = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };

/// Accepts connections for ever, reads nothing, and closes those that have ended once nobody else connects. Nothing is
/// registered or in flight for a connection, so the kernel keeps the socket and nothing beside it.
pub(crate) fn serve(listener: &TcpListener) -> io::Result<()> {
    let mut connections: Vec<OwnedFd> = Vec::new();
    loop {
        let mut interest = [PollFd::new(listener, PollFlags::IN)];
        match poll(&mut interest, Some(&QUIET)) {
            Ok(0) => connections.retain(is_open),
            Ok(_) => connections.push(accept(listener)?),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the peer has not ended the stream.
fn is_open(connection: &OwnedFd) -> bool {
    let mut byte = [0; 1];
    match recv(connection, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((count, _)) => count > 0,
        Err(error) => error == Errno::AGAIN,
    }
}
