//! What is said to a server. Nothing waits behind the socket: what it does not take stays in the queue, but for one
//! buffer, whose messages are lost with the connection and counted.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::message::Outgoing;
use crate::probes::Probes;
use crate::protocol;
use crate::queue::Queue;

/// Bytes that are written at once, and one message more.
const AT_ONCE: usize = 64 * 1024;
/// Bytes after which other tasks have their turn.
const TURN: usize = 512 * 1024;

/// What has become of messages that were taken.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: AtomicU64,
    pub(crate) lost: AtomicU64,
}

/// A connection's end that is written to. It may be left at any await, and gone on with.
pub(crate) struct Writer {
    half: Box<dyn AsyncWrite + Send + Unpin>,
    buffer: Vec<u8>,
    written: usize,
    /// Where messages end in the buffer that are not written whole.
    ends: VecDeque<usize>,
    tally: Arc<Tally>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("bytes", &(self.buffer.len() - self.written)).finish_non_exhaustive()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.tally.lost.fetch_add(self.ends.len() as u64, Ordering::Relaxed);
    }
}

impl Writer {
    pub(crate) fn new(half: Box<dyn AsyncWrite + Send + Unpin>, tally: Arc<Tally>) -> Self {
        Self { half, buffer: Vec::new(), written: 0, ends: VecDeque::new(), tally }
    }

    /// Says what is to be said out of turn, and what waits in `queue`, until it cannot any more: why.
    pub(crate) async fn run(&mut self, probes: &Probes, queue: Option<&Queue<Outgoing>>) -> io::Error {
        let mut turn = 0;
        loop {
            probes.take(&mut self.buffer);
            if let Some(queue) = queue {
                self.fill(probes, queue);
            }
            if self.buffer.is_empty() {
                wait(probes, queue).await;
                continue;
            }
            turn += self.buffer.len();
            if let Err(error) = self.write().await {
                return error;
            }
            if turn >= TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Takes messages that wait, as far as the window and the buffer go.
    fn fill(&mut self, probes: &Probes, queue: &Queue<Outgoing>) {
        let max = probes.max_payload.load(Ordering::Relaxed);
        while self.buffer.len() < AT_ONCE && probes.window.has_room() {
            let Some(message) = queue.pop() else { return };
            if message.wire_len() > max {
                // The server takes less than the one before it.
                self.tally.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let start = self.buffer.len();
            protocol::publish(&mut self.buffer, &message);
            self.ends.push_back(self.buffer.len());
            if probes.window.said(self.buffer.len() - start) {
                probes.write_probe(&mut self.buffer);
            }
        }
    }

    async fn write(&mut self) -> io::Result<()> {
        while self.written < self.buffer.len() {
            let bytes = self.half.write(&self.buffer[self.written..]).await?;
            if bytes == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.written += bytes;
            let whole = self.ends.partition_point(|end| *end <= self.written);
            self.ends.drain(..whole);
            self.tally.sent.fetch_add(whole as u64, Ordering::Relaxed);
        }
        self.half.flush().await?;
        self.written = 0;
        self.buffer.clear();
        // What a long message has made it grow to is given back.
        self.buffer.shrink_to(2 * AT_ONCE);
        Ok(())
    }
}

/// Waits until there may be something to say.
async fn wait(probes: &Probes, queue: Option<&Queue<Outgoing>>) {
    let has_messages = async {
        match queue {
            Some(queue) => {
                queue.filled().await;
                probes.window.room().await;
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = probes.wait() => {}
        () = has_messages => {}
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::AsyncReadExt;

    use super::*;

    fn message(len: usize) -> Outgoing {
        Outgoing { subject: "a".into(), reply: None, headers: None, payload: vec![b'x'; len].into() }
    }

    #[tokio::test]
    async fn what_was_not_written_whole_is_lost_and_the_rest_waits_where_it_was() {
        let (ours, mut theirs) = tokio::io::duplex(10_000);
        let (queue, tally) = (Queue::new(1 << 20, true), Arc::new(Tally::default()));
        let probes = Probes::new("p", 50_000);
        (0..20).for_each(|_| queue.push(message(10_000), false).unwrap());
        queue.push(message(50_001), false).unwrap();
        let mut writer = Writer::new(Box::new(ours), tally.clone());
        let mut read = vec![0; 10_100];
        tokio::select! {
            error = writer.run(&probes, Some(&queue)) => panic!("{error}"),
            _ = theirs.read_exact(&mut read) => {}
        }
        let counts = || (tally.sent.load(Ordering::Relaxed), tally.lost.load(Ordering::Relaxed));
        // A pipe holds a piece of it.
        assert!((1..=2).contains(&counts().0) && counts().1 == 0, "{:?}", counts());
        // Left and gone on with, the message that was begun is ended.
        let sent = counts().0;
        let rest = async {
            let mut all = read.clone();
            while all.len() < 7 * 10_015 {
                let mut more = vec![0; 5_000];
                let len = theirs.read(&mut more).await.unwrap();
                all.extend_from_slice(&more[..len]);
            }
            all
        };
        let all =
            tokio::select! { error = writer.run(&probes, None) => panic!("{error}"), all = rest => all };
        let one = [b"PUB a 10000\r\n".to_vec(), vec![b'x'; 10_000], b"\r\n".to_vec()].concat();
        assert_eq!(&all[..7 * one.len()], one.repeat(7));
        assert!(counts().0 > sent);
        let waits = std::iter::from_fn(|| queue.pop()).count() as u64;
        drop(writer);
        let (sent, lost) = counts();
        assert_eq!(sent + lost + waits, 21, "{sent} {lost} {waits}");
    }

    #[tokio::test]
    async fn what_a_server_does_not_take_is_counted_and_the_next_one_goes() {
        let (ours, mut theirs) = tokio::io::duplex(10_000);
        let (queue, tally) = (Queue::new(1 << 20, true), Arc::new(Tally::default()));
        let probes = Probes::new("p", 100);
        queue.push(message(101), false).unwrap();
        queue.push(Outgoing { payload: Bytes::from_static(b"hi"), ..message(0) }, false).unwrap();
        let mut writer = Writer::new(Box::new(ours), tally.clone());
        let mut read = [0; 13];
        tokio::select! {
            error = writer.run(&probes, Some(&queue)) => panic!("{error}"),
            _ = theirs.read_exact(&mut read) => {}
        }
        assert_eq!(&read, b"PUB a 2\r\nhi\r\n");
        assert_eq!((tally.sent.load(Ordering::Relaxed), tally.lost.load(Ordering::Relaxed)), (1, 1));
    }
}
