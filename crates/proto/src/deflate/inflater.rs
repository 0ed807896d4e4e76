//! RFC 7692 7.2.2: decompression.

use flate2::{Decompress, FlushDecompress, Status};

use super::TAIL;
use crate::receive::{Assembled, MessageKind, Utf8};
use crate::{ProtocolError, WindowBits};

/// What comes out of the decompressor at a time, in bytes: so much is judged before more is produced.
const PIECE_BYTES: usize = 16 << 10;

/// Most bytes of heap an [`Inflater`] takes once it was needed; a test measures it.
pub const INFLATER_BYTES: usize = 64 << 10;

/// An empty last block: behind a message and its [`TAIL`] it is understood as that only if the message ended with a
/// block, so it tells a whole message from one that was cut.
const END: [u8; 5] = [1, 0, 0, 0xFF, 0xFF];

/// Decompresses messages, each by itself, of any number of connections.
///
/// Nothing is made before the first compressed message comes.
#[derive(Debug, Default)]
pub struct Inflater {
    parts: Option<Box<Parts>>,
    totals: Inflated,
}

/// What an [`Inflater`] has made so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inflated {
    /// Messages that came out whole.
    pub messages: u64,
    /// Bytes of their payloads, as they came.
    pub compressed_bytes: u64,
    /// Bytes of the messages.
    pub plain_bytes: u64,
}

#[derive(Debug)]
struct Parts {
    stream: Decompress,
    /// The last piece that came out.
    piece: Vec<u8>,
}

/// Where output goes: judged and counted as it comes.
struct Output {
    payload: Assembled,
    bytes_max: usize,
    /// For text.
    utf8: Option<Utf8>,
}

impl Output {
    fn take(&mut self, piece: &[u8]) -> Result<(), ProtocolError> {
        // RFC 7692 section 8 (security considerations) leaves it to the receiver to bound what a small message can
        // become.
        if piece.len() > self.bytes_max - self.payload.len() {
            return Err(ProtocolError::MessageTooLong);
        }
        if let Some(utf8) = &mut self.utf8 {
            utf8.push(piece).map_err(|_| ProtocolError::TextNotUtf8)?;
        }
        // Messages of one piece, which most are, get memory of exactly their size.
        let len_max =
            if piece.len() < PIECE_BYTES { self.payload.len() + piece.len() } else { self.bytes_max };
        self.payload.push(piece, len_max);
        Ok(())
    }
}

/// What became of a run of input.
#[derive(PartialEq)]
enum Ran {
    /// A block with BFINAL ended with the last byte.
    Ended,
    /// It may go on.
    Open,
}

impl Inflater {
    /// One that has not been needed yet.
    #[must_use]
    pub const fn new() -> Self {
        let totals = Inflated { messages: 0, compressed_bytes: 0, plain_bytes: 0 };
        Self { parts: None, totals }
    }

    /// What it has made so far.
    #[must_use]
    pub fn totals(&self) -> Inflated {
        self.totals
    }

    /// Bytes of heap held: 0, or [`INFLATER_BYTES`] at most.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        if self.parts.is_some() { INFLATER_BYTES } else { 0 }
    }

    /// Decompresses one message's payload, all fragments joined, into at most `bytes_max` bytes; text must come out as
    /// UTF-8.
    pub(crate) fn inflate(
        &mut self,
        compressed: &[u8],
        kind: MessageKind,
        bytes_max: usize,
    ) -> Result<Assembled, ProtocolError> {
        let parts = self.parts.get_or_insert_with(|| {
            // The largest window reads what was made with any.
            let stream = Decompress::new_with_window_bits(false, WindowBits::MAX);
            Box::new(Parts { stream, piece: Vec::with_capacity(PIECE_BYTES) })
        });
        // Before and not after: what failed, or stopped half way, leaves nothing behind either.
        parts.stream.reset(false);
        let utf8 = (kind == MessageKind::Text).then(Utf8::default);
        let mut output = Output { payload: Assembled::new(), bytes_max, utf8 };
        parts.message(compressed, &mut output)?;
        if output.utf8.is_some_and(|utf8| utf8.finish().is_err()) {
            return Err(ProtocolError::TextNotUtf8);
        }
        output.payload.shrink();
        self.totals.messages += 1;
        self.totals.compressed_bytes += compressed.len() as u64;
        self.totals.plain_bytes += output.payload.len() as u64;
        Ok(output.payload)
    }
}

impl Parts {
    /// RFC 7692 7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message" and
    /// decompress.
    fn message(&mut self, compressed: &[u8], output: &mut Output) -> Result<(), ProtocolError> {
        // 7.2.3.4: a sender may flush with BFINAL. Then there may be nothing left for the tail to complete.
        if !compressed.is_empty() && self.run(compressed, output)? == Ran::Ended {
            return Ok(());
        }
        if self.run(&TAIL, output)? == Ran::Ended || self.run(&END, output)? == Ran::Ended {
            return Ok(());
        }
        Err(ProtocolError::NotDeflate)
    }

    /// Decompresses all of `input`. Behind a block with BFINAL another stream begins, at the next byte.
    fn run(&mut self, mut input: &[u8], output: &mut Output) -> Result<Ran, ProtocolError> {
        loop {
            self.piece.clear();
            let before = self.stream.total_in();
            let status = self.stream.decompress_vec(input, &mut self.piece, FlushDecompress::None);
            // What came out before an error is judged first: of two errors the earlier one counts, whatever the size of
            // a piece.
            output.take(&self.piece)?;
            let taken = usize::try_from(self.stream.total_in() - before).unwrap_or(usize::MAX);
            input = input.get(taken..).unwrap_or_default();
            match status.map_err(|_| ProtocolError::NotDeflate)? {
                Status::StreamEnd if input.is_empty() => return Ok(Ran::Ended),
                Status::StreamEnd => self.stream.reset(false),
                // A full piece may have left more inside the stream.
                Status::Ok | Status::BufError if self.piece.len() == self.piece.capacity() => {}
                Status::Ok | Status::BufError if input.is_empty() => return Ok(Ran::Open),
                // Neither input nor output is short, and yet nothing moves: that is no valid stream.
                Status::Ok | Status::BufError if taken == 0 => return Err(ProtocolError::NotDeflate),
                Status::Ok | Status::BufError => {}
            }
        }
    }
}
