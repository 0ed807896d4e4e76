//! Sends the same bytes to all: the price of a plain loop of send(2).

use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, accept, send};

/// Accepts connections for ever. Whoever connects to `control` and sends bytes, then its end of stream, has them sent
/// to every connection, one after the other, and is answered how many they are. Connections that fail are closed.
pub(crate) fn serve(listener: &TcpListener, control: &TcpListener) -> io::Result<()> {
    let mut connections: Vec<OwnedFd> = Vec::new();
    loop {
        let mut interest = [PollFd::new(listener, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
        match poll(&mut interest, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [newcomer, order] = interest.map(|it| it.revents().contains(PollFlags::IN));
        // Whoever has connected before an order is to get it.
        if newcomer {
            connections.push(accept(listener)?);
        } else if order {
            let (mut stream, _) = control.accept()?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes)?;
            connections.retain(|connection| send_all(connection, &bytes).is_ok());
            writeln!(stream, "sent to {}", connections.len())?;
        }
    }
}

fn send_all(connection: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match send(connection, bytes, SendFlags::NOSIGNAL) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
