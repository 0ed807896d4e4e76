//! RFC 7692 7.2.1: compression.

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};

use super::{TAIL, WindowBits};
use crate::frame::{HEADER_LEN_MAX, Opcode, header_len, write_compressed_header};

/// The levels that are used.
const LEVEL_MIN: u32 = 2;
const LEVEL_MAX: u32 = 9;

/// Room for output beyond what depends on the message's length.
const OUTPUT_BYTES_SPARE: usize = 1024;

/// Most bytes of memory for output that are kept from one message to the next.
const OUTPUT_BYTES_KEPT: usize = 64 << 10;

/// Most bytes of heap a [`Deflater`] takes by window size (see [`WindowBits::index`]), once the size was needed; a test
/// measures it. With all seven it is 2 MiB, and `OUTPUT_BYTES_KEPT`.
pub const DEFLATER_BYTES: [usize; WindowBits::COUNT] = {
    // zlib-rs 0.6: twice the window, two bytes for each of its positions, and 245 KiB for hash heads and pending
    // output.
    let mut bytes = [0; WindowBits::COUNT];
    let mut index = 0;
    while index < bytes.len() {
        bytes[index] = (4 << (WindowBits::MIN as usize + index)) + (245 << 10);
        index += 1;
    }
    bytes
};

/// Compresses messages, each by itself, for any number of connections: one compressor for each window size, made when
/// it is first needed.
#[derive(Debug)]
pub struct Deflater {
    level: Compression,
    compressors: [Option<Box<Compress>>; WindowBits::COUNT],
    /// Room for a header, and the last message.
    output: Vec<u8>,
    runs: u64,
}

impl Deflater {
    /// `level` is 2, the fastest, to 9, the smallest output; others count as the nearest.
    ///
    /// Level 1 of zlib-rs 0.6.8 is left out: where room for output ends while it writes, it panics or writes what
    /// cannot be inflated.
    #[must_use]
    pub fn new(level: u32) -> Self {
        Self {
            level: Compression::new(level.clamp(LEVEL_MIN, LEVEL_MAX)),
            compressors: Default::default(),
            output: Vec::new(),
            runs: 0,
        }
    }

    /// Bytes of heap held, at most.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let made = self.compressors.iter().zip(DEFLATER_BYTES).filter(|(made, _)| made.is_some());
        made.map(|(_, bytes)| bytes).sum::<usize>() + self.output.capacity()
    }

    /// How many messages were compressed so far, to good effect or not.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// A compressed, unfragmented, unmasked frame whose message is `parts`, one after the other.
    ///
    /// `None` when that would not make it shorter: then the message goes as it is, which RFC 7692 section 6 leaves to
    /// the sender for each message.
    pub fn frame(&mut self, window: WindowBits, opcode: Opcode, parts: &[&[u8]]) -> Option<Bytes> {
        let payload_len = parts.iter().map(|part| part.len()).sum();
        self.output.clear();
        // What cannot be compressed is copied, with five bytes for each of its blocks: room never runs out.
        self.output.reserve_exact(HEADER_LEN_MAX + payload_len + payload_len / 8 + OUTPUT_BYTES_SPARE);
        self.output.resize(HEADER_LEN_MAX, 0);
        let frame = self.compress(window, parts).and_then(|()| {
            let compressed_len = self.output.len() - HEADER_LEN_MAX;
            (compressed_len < payload_len).then(|| {
                let start = HEADER_LEN_MAX - header_len(compressed_len);
                write_compressed_header(opcode, compressed_len, &mut self.output[start..]);
                Bytes::copy_from_slice(&self.output[start..])
            })
        });
        if self.output.capacity() > OUTPUT_BYTES_KEPT {
            self.output = Vec::new();
        }
        frame
    }

    /// RFC 7692 7.2.1: compress, flush so that the output ends with an empty block without compression, and remove its
    /// last four bytes. `None` when that fails, which it does not.
    fn compress(&mut self, window: WindowBits, parts: &[&[u8]]) -> Option<()> {
        let compressor = self.compressors[window.index()]
            .get_or_insert_with(|| Box::new(Compress::new_with_window_bits(self.level, false, window.get())));
        compressor.reset();
        self.runs += 1;
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                let before = compressor.total_in();
                compressor.compress_vec(rest, &mut self.output, FlushCompress::None).ok()?;
                let taken =
                    usize::try_from(compressor.total_in() - before).ok().filter(|taken| *taken > 0)?;
                rest = &rest[taken..];
            }
        }
        compressor.compress_vec(&[], &mut self.output, FlushCompress::Sync).ok()?;
        // Output that fills all the room may be cut.
        let whole = self.output.len() < self.output.capacity() && self.output.ends_with(&TAIL);
        whole.then(|| self.output.truncate(self.output.len() - TAIL.len()))
    }
}
