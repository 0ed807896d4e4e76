//! What comes from a server: one buffer, and what is in it.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::protocol::{Event, Garbage, MESSAGE_LEN_MAX, Parser, ROOM};

/// Bytes that are read at once.
const READ_LEN: usize = 32 * 1024;

/// Reads of one message after which other tasks have their turn.
const READS: u32 = 16;

/// Why nothing more comes.
#[derive(Debug)]
pub(crate) enum Over {
    /// The other end has closed it.
    Closed,
    /// It is broken.
    Broken(io::Error),
    /// What comes is no NATS.
    Garbage(Garbage),
}

/// What has come and was not looked at.
#[derive(Debug)]
pub(crate) struct Intake {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    parser: Parser,
}

impl Intake {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; READ_LEN].into(), start: 0, end: 0, parser: Parser::new(ROOM) }
    }

    /// What the server takes itself: messages that are much longer are passed over.
    pub(crate) fn set_max_payload(&mut self, bytes: usize) {
        self.parser.set_message_max(bytes.min(MESSAGE_LEN_MAX) + ROOM);
    }

    /// Whether all that has come was looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The next thing that is said. It may be left at any await, and gone on with.
    pub(crate) async fn next(&mut self, half: &mut (impl AsyncRead + Unpin)) -> Result<Event, Over> {
        let mut reads = 0_u32;
        loop {
            while !self.is_empty() {
                let input = &self.buffer[self.start..self.end];
                let (taken, event) = self.parser.next(input).map_err(Over::Garbage)?;
                self.start += taken;
                if let Some(event) = event {
                    return Ok(event);
                }
            }
            let bytes = half.read(&mut self.buffer).await.map_err(Over::Broken)?;
            if bytes == 0 {
                return Err(Over::Closed);
            }
            (self.start, self.end) = (0, bytes);
            reads += 1;
            if reads.is_multiple_of(READS) {
                tokio::task::yield_now().await;
            }
        }
    }
}
