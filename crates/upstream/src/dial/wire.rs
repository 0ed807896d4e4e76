//! A socket that knows how many bytes were written to it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// What is known of a socket from beside. The socket and whoever asks are on one thread: between them nothing is
/// ordered.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Bytes that the kernel has taken.
    written: AtomicU64,
    /// Whether a request begins: before its first byte, the socket looks whether the peer is still there.
    begins: AtomicBool,
    /// Whether nothing is written any more.
    is_shut: AtomicBool,
}

impl Meter {
    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Mark {
        self.begins.store(true, Ordering::Relaxed);
        Mark { meter: Arc::clone(self), start: self.written() }
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

/// Where a request begins in what is written.
#[derive(Debug)]
pub(crate) struct Mark {
    meter: Arc<Meter>,
    start: u64,
}

impl Mark {
    /// Whether anything was written since, for good: if nothing was, nothing will be, on this whole connection.
    pub(crate) fn settle(&self) -> bool {
        let is_sent = self.meter.written() != self.start;
        if !is_sent {
            self.meter.is_shut.store(true, Ordering::Relaxed);
        }
        is_sent
    }
}

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket that counts.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
    meter: Arc<Meter>,
    /// What says that a connection cannot take a request.
    ends: PollFlags,
}

impl Wire {
    /// `speaks_first` is whether the peer may say something that was not asked for, as TLS does.
    pub(crate) fn new(socket: Socket, speaks_first: bool) -> Self {
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let ends = if speaks_first { gone } else { gone | PollFlags::IN };
        Self { socket, meter: Arc::default(), ends }
    }

    pub(crate) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Whether bytes may be written. A peer that has closed is noticed here although the runtime has not heard of it:
    /// what is not written can be sent elsewhere.
    fn check(&self) -> io::Result<()> {
        let over = self.meter.is_shut.load(Ordering::Relaxed)
            || (self.meter.begins.swap(false, Ordering::Relaxed) && self.has_ended());
        if over { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    fn has_ended(&self) -> bool {
        let mut looked = [PollFd::from_borrowed_fd(self.descriptor(), self.ends)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut looked, Some(&now)).is_ok_and(|_| looked[0].revents().intersects(self.ends))
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(stream) => stream.as_fd(),
            Socket::Unix(stream) => stream.as_fd(),
        }
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.meter.written.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        written
    }
}

/// Does the same with either socket.
macro_rules! either {
    ($wire:expr, $stream:ident => $does:expr) => {
        match &mut $wire.socket {
            Socket::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $does
            }
            Socket::Unix(stream) => {
                let $stream = Pin::new(stream);
                $does
            }
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        either!(wire, stream => stream.poll_read(cx, into))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        wire.check()?;
        let written = either!(wire, stream => stream.poll_write(cx, bytes));
        wire.count(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        wire.check()?;
        let written = either!(wire, stream => stream.poll_write_vectored(cx, slices));
        wire.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        either!(wire, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        either!(wire, stream => stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn pair() -> (Wire, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Wire::new(Socket::Unix(ours), false), theirs)
    }

    #[tokio::test]
    async fn what_was_written_since_a_mark_is_known() {
        let (mut wire, mut peer) = pair();
        let mark = wire.meter().begin();
        wire.write_all(b"request").await.unwrap();
        assert!(mark.settle());
        peer.read_exact(&mut [0; 7]).await.unwrap();
        wire.write_all(b"more").await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_written_after_nothing_was() {
        let (mut wire, _peer) = pair();
        wire.write_all(b"another").await.unwrap();
        let mark = wire.meter().begin();
        assert!(!mark.settle());
        assert_eq!(wire.write_all(b"request").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(!mark.settle());
    }

    #[tokio::test]
    async fn a_request_is_not_written_to_a_peer_that_has_closed_or_speaks_unasked() {
        let (mut wire, peer) = pair();
        drop(peer);
        let mark = wire.meter().begin();
        assert_eq!(wire.write_all(b"request").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(!mark.settle());

        let (mut wire, mut peer) = pair();
        peer.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
        let mark = wire.meter().begin();
        assert_eq!(wire.write_all(b"request").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert!(!mark.settle());
    }
}
