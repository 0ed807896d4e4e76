//! A connection's stream, and what has come of it and is not read.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::response::Response;

/// Most bytes taken from the stream at once.
const READ_BYTES_MAX: usize = 8 << 10;
/// Most bytes read and thrown away for a client that goes on sending behind its last answer: as shards do.
const DISCARD_BYTES_MAX: usize = 64 << 20;

#[derive(Debug)]
pub(super) struct Wire<'s, S> {
    stream: &'s mut S,
    pub(super) unread: BytesMut,
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> Wire<'s, S> {
    pub(super) fn new(stream: &'s mut S, came: &[u8]) -> Self {
        Self { stream, unread: BytesMut::from(came) }
    }

    /// Waits until more has come. Nothing is lost where it is dropped before.
    ///
    /// # Errors
    ///
    /// Where there is no more: [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
    pub(super) async fn fill(&mut self) -> io::Result<()> {
        self.unread.reserve(READ_BYTES_MAX);
        let len = (&mut *self.stream).take(READ_BYTES_MAX as u64).read_buf(&mut self.unread).await?;
        if len > 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The next `len` bytes, in memory of their own.
    pub(super) async fn take(&mut self, len: usize) -> io::Result<Bytes> {
        let mut taken = BytesMut::with_capacity(len);
        let came = self.unread.split_to(len.min(self.unread.len()));
        taken.extend_from_slice(&came);
        while taken.len() < len {
            let left = (len - taken.len()) as u64;
            if (&mut *self.stream).take(left).read_buf(&mut taken).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(taken.freeze())
    }

    /// Asks for the body of a request whose client waits with it.
    pub(super) async fn ask_for_body(&mut self) -> io::Result<()> {
        self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        self.stream.flush().await
    }

    /// Sends an answer. `connection` is the value of its Connection header.
    pub(super) async fn send(
        &mut self,
        answer: Response,
        is_head: bool,
        connection: Option<&str>,
        within: Duration,
    ) -> io::Result<()> {
        let (head, body) = answer.into_parts(is_head, connection);
        let send = async {
            self.stream.write_all_buf(&mut Buf::chain(head.as_bytes(), body)).await?;
            self.stream.flush().await
        };
        timeout(within, send).await?
    }

    /// Says that nothing more comes, and throws away what the client still sends: a socket that is closed with bytes
    /// unread is reset, and the client may lose the answer (RFC 9112 9.6).
    pub(super) async fn linger(&mut self, within: Duration) {
        let discard = async {
            self.stream.shutdown().await?;
            let mut left = DISCARD_BYTES_MAX;
            while left > 0 {
                self.unread.clear();
                self.fill().await?;
                left = left.saturating_sub(self.unread.len());
            }
            Ok::<_, io::Error>(())
        };
        // It ends with the client's end, an error like any other.
        let _ = timeout(within, discard).await;
    }
}
