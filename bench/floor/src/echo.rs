//! Echoes on one thread: epoll, recv, send, and nothing else in the ordinary case.
//!
//! Edge-triggered: one registration per connection for its whole life, and one recv per readiness, since a short read
//! has emptied the socket (unless the end of the stream came with it). Bytes that the peer does not take at once wait
//! in a list of their own.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};

const EVENTS_MAX: usize = 1024;
const READ_BYTES_MAX: usize = 64 * 1024;
/// `Event` data of the listener; a connection's is its descriptor.
const LISTENER: u64 = u64::MAX;

/// Echoes for ever.
pub(crate) fn serve(listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut server =
        Server { epoll, connections: Vec::new(), unsent: HashMap::new(), buffer: vec![0; READ_BYTES_MAX] };
    let mut events = Vec::with_capacity(EVENTS_MAX);
    loop {
        events.clear();
        match epoll::wait(&server.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            match usize::try_from(event.data.u64()) {
                Ok(index) if event.data.u64() != LISTENER => server.ready(index, event.flags),
                Ok(_) | Err(_) => server.accept(listener)?,
            }
        }
    }
}

struct Server {
    epoll: OwnedFd,
    /// By descriptor.
    connections: Vec<Option<OwnedFd>>,
    /// By descriptor: bytes that the peer has not taken. Nothing is read from a connection that has any.
    unsent: HashMap<usize, Vec<u8>>,
    buffer: Vec<u8>,
}

impl Server {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let connection = match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(connection) => connection,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::CONNABORTED | Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let index = usize::try_from(connection.as_raw_fd()).map_err(io::Error::other)?;
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.epoll, &connection, EventData::new_u64(index as u64), flags)?;
            if self.connections.len() <= index {
                self.connections.resize_with(index + 1, || None);
            }
            self.connections[index] = Some(connection);
        }
    }

    fn ready(&mut self, index: usize, flags: EventFlags) {
        let end = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        if !self.unsent.is_empty() && !self.send_rest(index) {
            return;
        }
        while let Some(connection) = self.connections.get(index).and_then(Option::as_ref) {
            match recv(connection, &mut self.buffer[..], RecvFlags::empty()) {
                Ok((0, _)) => self.close(index),
                Ok((count, _)) => {
                    let sent = match send(connection, &self.buffer[..count], SendFlags::NOSIGNAL) {
                        Ok(sent) => sent,
                        Err(Errno::AGAIN) => 0,
                        Err(_) => return self.close(index),
                    };
                    if sent < count {
                        self.unsent.insert(index, self.buffer[sent..count].to_vec());
                    } else if end || count == self.buffer.len() {
                        continue;
                    }
                }
                Err(Errno::AGAIN) => {}
                Err(_) => self.close(index),
            }
            return;
        }
    }

    /// True when nothing is left to send.
    fn send_rest(&mut self, index: usize) -> bool {
        let (Some(rest), Some(Some(connection))) = (self.unsent.get_mut(&index), self.connections.get(index))
        else {
            return true;
        };
        match send(connection, rest, SendFlags::NOSIGNAL) {
            Ok(sent) => {
                rest.drain(..sent);
            }
            Err(Errno::AGAIN) => {}
            Err(_) => self.close(index),
        }
        let done = self.unsent.get(&index).is_none_or(Vec::is_empty);
        if done {
            self.unsent.remove(&index);
        }
        done
    }

    fn close(&mut self, index: usize) {
        self.unsent.remove(&index);
        self.connections[index] = None;
    }
}
