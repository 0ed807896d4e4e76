//! Peers that break the rules, on every rung and through real sockets. Each is answered as the standard says, with the
//! exact close code or status; meanwhile a neighbour on the same shard is served, and afterwards nothing is left of it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

#[path = "../rig/mod.rs"]
mod rig;

mod closing;
mod floods;
mod frames;
mod heads;
mod reads;
mod text;

use holdfast::settings::{DriverChoice, Settings};
use rig::{Peer, Rig, settings, wait_until};

/// A gateway under attack, with a neighbour who behaves.
struct Siege {
    rig: Rig,
    neighbour: Peer,
}

impl Siege {
    /// A gateway of one shard, so that attackers and neighbour share it.
    fn new(rung: DriverChoice) -> Self {
        Self::with(settings(rung))
    }

    fn with(settings: Settings) -> Self {
        let rig = Rig::with(&Settings { shards: 1, ..settings });
        let neighbour = rig.peer();
        Self { rig, neighbour }
    }

    /// Whether the neighbour is served.
    #[track_caller]
    fn check_neighbour(&mut self) {
        self.neighbour.check_echo();
    }

    /// The peer sends this on a new connection, and hears this code and then the end of stream.
    #[track_caller]
    fn expect_code(&mut self, what: &str, bytes: &[u8], code: u16) {
        let mut peer = self.rig.peer();
        peer.send(bytes);
        let close = peer.read_close();
        assert_eq!(close.as_ref().map(|(code, _)| *code), Some(code), "{what}: {close:?}");
        peer.expect_end();
    }

    /// Checks that the neighbour is served to the end and that nothing is left of anybody: no record, buffer, queue or
    /// cut message.
    #[track_caller]
    fn end(mut self) {
        self.neighbour.check_echo();
        self.neighbour.close();
        self.rig.wait_until_empty();
        wait_until("no record is left", || self.rig.sum(|counters| counters.record_bytes.get()) == 0);
    }

    /// Waits until the gateway has read this many bytes in all after opening handshakes.
    #[track_caller]
    fn wait_until_read(&self, count: u64) {
        wait_until("all is read", || self.read_bytes() == count);
    }

    /// Bytes that the gateway has read after opening handshakes.
    fn read_bytes(&self) -> u64 {
        self.rig.sum(|counters| counters.bytes_in.get())
    }

    fn partial_bytes(&self) -> u64 {
        self.rig.sum(|counters| counters.partial_bytes.get())
    }

    fn outbox_bytes(&self) -> u64 {
        self.rig.sum(|counters| counters.outbox_bytes.get())
    }
}
