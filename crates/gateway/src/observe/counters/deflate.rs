//! What one shard counts of permessage-deflate.

use holdfast_proto::{Deflater, Inflater};

use super::count::Count;
use super::declare::{Family, Kind, Sample, counters};

counters! {
    /// What one shard counts of permessage-deflate.
    DeflateCounters;

    family(
        Counter,
        "holdfast_deflate_connections_total",
        &[],
        "Connections opened with permessage-deflate.",
    ) {
        /// Connections opened that have agreed on it.
        opened,
    };
    family(
        Counter,
        "holdfast_deflate_messages_total",
        &["direction"],
        "Messages compressed on the wire, by direction.",
    ) {
        /// Compressed messages received, and inflated.
        messages_in ("received"),
        /// Compressed messages sent (queued for sending).
        messages_out ("sent"),
    };
    family(
        Counter,
        "holdfast_deflate_plain_bytes_total",
        &["direction"],
        "Size of those messages before compression, by direction.",
    ) {
        /// Payload bytes of those, as they are.
        plain_in ("received"),
        /// Payload bytes of those, as they are.
        plain_out ("sent"),
    };
    family(
        Counter,
        "holdfast_deflate_compressed_bytes_total",
        &["direction"],
        "Size of those messages on the wire, by direction. Sent bytes include frame headers.",
    ) {
        /// Payload bytes of those, as they came.
        compressed_in ("received"),
        /// Bytes of those with their headers, as they go.
        compressed_out ("sent"),
    };
    family(
        Counter,
        "holdfast_deflate_runs_total",
        &[],
        "Compressions run, including those that saved nothing. A message for many connections counts \
         once for each window size.",
    ) {
        /// Messages that were given to a compressor, whether it made them shorter or not.
        runs,
    };
    holds {
        /// Gauge: bytes of compressors and the decompressor.
        memory: Count,
    };
}

impl DeflateCounters {
    /// Counts a compressed message of `len` bytes that is sent in this frame.
    pub(crate) fn sent(&self, len: usize, frame: &[u8]) {
        self.messages_out.add(1);
        self.plain_out.add(len as u64);
        self.compressed_out.add(frame.len() as u64);
    }

    /// Takes over what these two have counted.
    pub(crate) fn show(&self, inflater: &Inflater, deflater: &Deflater) {
        let inflated = inflater.totals();
        self.messages_in.set(inflated.messages);
        self.compressed_in.set(inflated.compressed_bytes);
        self.plain_in.set(inflated.plain_bytes);
        self.runs.set(deflater.runs());
        self.memory.set((inflater.held_bytes() + deflater.held_bytes()) as u64);
    }
}
