//! A whole shard on a driver that costs next to nothing, turned by hand: to count what a shard takes, in instructions
//! and in allocations.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_ring::simulated::Plain;
use holdfast_ring::{Config, Event, Progress, Token};

use super::{Core, Policy, Shard};
use crate::counters::Counters;
use crate::quota::Quota;
use crate::settings::Settings;
use crate::{Echo, Handle};

/// Buffers of the pool, as in a shard with the default settings.
const BUFFER_COUNT: u16 = 64;
/// Bytes of one.
const BUFFER_BYTES: usize = 16 << 10;

/// A shard with the echo application, without a kernel.
pub struct PlainShard {
    shard: Shard<Plain, Echo>,
    counters: Arc<Counters>,
    /// Memory that turns share.
    events: Vec<Event>,
}

impl PlainShard {
    /// Most connections to which something can be delivered before a turn.
    pub const DELIVERIES_MAX: u32 = BUFFER_COUNT as u32;

    /// With room for so many connections; `sends` as for [`Plain::new`].
    ///
    /// # Panics
    /// When there is no memory for it or no descriptor.
    #[must_use]
    pub fn new(settings: &Settings, connections_max: u32, sends: Progress) -> Self {
        let policy = Policy::new(settings, connections_max, BUFFER_COUNT.into());
        let config = Config {
            handshake_slots: policy.handshake_slots(),
            connection_slots: connections_max,
            normal_descriptors_max: u32::MAX,
            buffer_bytes: BUFFER_BYTES,
            buffer_count: BUFFER_COUNT,
            long_buffer_bytes: 64 << 10,
            long_buffer_count: 1,
            submission_entries: 0,
            completion_entries: 0,
        };
        let driver = Plain::new(&config, sends).expect("there is memory and a descriptor");
        let (handle, counters) = (Handle::new(1), Arc::new(Counters::default()));
        handle.mailbox(0).open(connections_max);
        let quota = Arc::new(Quota::new(settings, Instant::now()));
        let core = Core::new(0, handle, Arc::clone(&counters), policy, quota);
        let echo = Echo::new(&settings.echo_prefix);
        let shard = Shard::new(driver, echo, vec![descriptor()], core).expect("it listens");
        Self { shard, counters, events: Vec::new() }
    }

    /// A peer comes, sends `head`, and has become the connection whose token this is.
    ///
    /// # Panics
    /// When it was refused.
    pub fn open(&mut self, head: &[u8]) -> Token {
        self.shard.driver.accept(descriptor());
        self.turn();
        let handshake = self.shard.driver.newest().expect("it was accepted");
        self.deliver(handshake, head);
        self.turn();
        let connection = self.shard.driver.newest().filter(|token| *token != handshake);
        // The answer has gone.
        self.turn();
        connection.expect("it was let in")
    }

    /// The next turn brings these bytes from the peer, which must be receiving: 16 KiB at most.
    pub fn deliver(&mut self, token: Token, bytes: &[u8]) {
        self.shard.driver.deliver(token, bytes);
    }

    /// One pass of the shard.
    ///
    /// # Panics
    /// Never: this driver does not break.
    pub fn turn(&mut self) {
        self.shard.turn(&mut self.events).expect("this driver does not break");
    }

    /// Lets time pass.
    pub fn advance(&mut self, by: Duration) {
        self.shard.driver.advance(by);
    }

    /// From now on ends of sends are told as [`Plain::keep_quiet`] says.
    pub fn keep_quiet(&mut self) {
        self.shard.driver.keep_quiet();
    }

    /// Bytes sent so far.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.shard.driver.bytes_sent()
    }

    /// Whether the connection has not ended.
    #[must_use]
    pub fn is_open(&self, token: Token) -> bool {
        self.shard.driver.owns(token)
    }

    /// What the shard has counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl std::fmt::Debug for PlainShard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PlainShard").finish_non_exhaustive()
    }
}

/// A socket that stands for a listener or a peer: the driver looks at none.
fn descriptor() -> std::os::fd::OwnedFd {
    UnixStream::pair().expect("there are descriptors").0.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::CloseReason;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    /// A binary message of four bytes, masked with zeros.
    const MESSAGE: [u8; 10] = [0x82, 0x84, 0, 0, 0, 0, 1, 2, 3, 4];

    #[test]
    fn answers_to_many_messages_of_one_read_go_out_though_nothing_else_happens() {
        let settings = Settings {
            echo_prefix: "a prefix, so that no answer fits where its message lay".to_owned(),
            ..Settings::default()
        };
        let mut shard = PlainShard::new(&settings, 1, Progress::Pending);
        let token = shard.open(HEAD);
        shard.keep_quiet();
        let before = shard.bytes_sent();
        let count = BUFFER_BYTES / MESSAGE.len();
        shard.deliver(token, &MESSAGE.repeat(count));
        let answers = count * (2 + settings.echo_prefix.len() + 4);
        // Each buffer full of answers takes two turns at most.
        for _ in 0..2 * answers.div_ceil(BUFFER_BYTES) + 2 {
            shard.turn();
        }
        assert_eq!(shard.bytes_sent() - before, answers as u64);
    }

    #[test]
    fn a_close_frame_that_waits_for_the_shard_itself_is_sent_before_its_time_is_over() {
        let settings = Settings::default();
        let timeout = settings.close_timeout;
        let turns = 2 * u32::try_from(timeout.as_secs()).unwrap();
        // A turn flushes, and so does the sweep in it.
        let count = 2 * u32::try_from(Policy::FLUSHES_PER_TURN).unwrap() * turns;
        let mut plain = PlainShard::new(&settings, count, Progress::Done);
        let tokens: Vec<Token> = (0..count).map(|_| plain.open(HEAD)).collect();
        // So many are before it that its turn comes when twice close-timeout has passed.
        (0..count - 1).for_each(|key| plain.shard.core.mark_dirty(key));
        plain.shard.core.begin_close(count - 1, CloseReason::Application, 1001, "");
        let before = plain.bytes_sent();
        for _ in 0..turns {
            plain.advance(Duration::from_secs(1));
            plain.turn();
        }
        assert_eq!(plain.bytes_sent() - before, 4, "a header and the code");
        // From then on the peer has its time, and no more.
        let last = tokens[count as usize - 1];
        assert!(plain.is_open(last));
        for _ in 0..timeout.as_secs() + 2 {
            plain.advance(Duration::from_secs(1));
            plain.turn();
        }
        assert!(!plain.is_open(last));
    }
}
