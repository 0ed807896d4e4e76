//! The limits and times a shard goes by.

mod broadcasts;
mod compression;

use std::net::IpAddr;
use std::time::Duration;

use holdfast_proto::forwarded::ForwardedHeader;
use holdfast_proto::{HeadLimits, Limits};
use holdfast_ring::{Budget, Buffers};

pub(crate) use crate::settings::{Network, RatePolicy, SlowPolicy};
pub(crate) use broadcasts::Broadcasts;
pub(crate) use compression::{DeflatePolicy, covers};

use super::rules::Rules;
use crate::counters::Limit;
use crate::limits::{MemoryLimit, Plan, memory_limit};
use crate::quota::Rate;
use crate::settings::{self, Settings, outbox_needed};

/// What a shard is allowed, taken from the settings.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// Connections this shard may hold.
    pub(crate) connections_max: u32,
    /// What binds it, if that is no part of a limit for all shards.
    pub(crate) connections_limit: Limit,
    /// Opening handshakes under way at once.
    pub(crate) handshakes_max: u32,
    /// Opening handshakes that wait for the application and take no place of those.
    pub(crate) deferred_max: u32,
    /// Most groups of one connection.
    pub(crate) groups_per_connection_max: u16,
    /// Most groups of the shard.
    pub(crate) groups_max: u32,
    pub(crate) broadcasts: Broadcasts,
    pub(crate) handshake_timeout: Duration,
    pub(crate) head: HeadLimits,
    pub(crate) input: Limits,
    pub(crate) outbox_bytes_max: usize,
    /// Of all outboxes together.
    pub(crate) shard_outbox_bytes_max: usize,
    /// What the kernel may hold of a connection whose send waits, where that counts toward the memory limit.
    pub(crate) kernel_bytes: usize,
    /// Of all that reliable clients have not acknowledged.
    pub(crate) shard_unacknowledged_bytes_max: usize,
    /// How long a reliable client may be away.
    pub(crate) recovery_timeout: Duration,
    /// Of all messages that are not whole.
    pub(crate) shard_partial_bytes_max: usize,
    /// Whole seconds.
    pub(crate) message_timeout: Option<u32>,
    /// A connection with more than this in its outbox is not read from.
    pub(crate) unsent_bytes_max: usize,
    /// What connections are read into, unless they compress.
    pub(crate) buffers: Buffers,
    pub(crate) slow: SlowPolicy,
    pub(crate) rates: Rates,
    /// Whole seconds.
    pub(crate) ping_interval: Option<u32>,
    /// Whole seconds.
    pub(crate) idle_timeout: Option<u32>,
    /// Whole seconds: a connection from which something came this lately is not pinged when its turn comes.
    pub(crate) heard_lately: u32,
    /// Pings in a row that nobody answers.
    pub(crate) pings_unanswered_max: Option<u8>,
    pub(crate) age: Option<Age>,
    pub(crate) close_timeout: Duration,
    pub(crate) send_timeout: Duration,
    pub(crate) deflate: DeflatePolicy,
    /// Path of health checks.
    pub(crate) health_path: Option<String>,
    pub(crate) rules: Rules,
    /// Only trusted proxies may connect, and each begins with a PROXY header.
    pub(crate) proxy_protocol: bool,
    /// Where trusted proxies say for whom they send a request.
    pub(crate) forwarded: Option<ForwardedHeader>,
    trusted_proxies: Vec<Network>,
    /// Close code of a goodbye.
    pub(crate) drain_code: u16,
}

/// How long a connection may stay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    pub(crate) max: Duration,
    /// Whole seconds by which it may be less.
    jitter: u32,
}

impl Age {
    fn new(settings: &Settings) -> Option<Self> {
        let max = settings.connection_age_max?;
        let jitter = settings.connection_age_jitter.unwrap_or(max / 10);
        Some(Self { max, jitter: u32::try_from(jitter.as_secs()).unwrap_or(u32::MAX) })
    }

    /// By how many seconds the connection with this generation leaves earlier: those that came one after the other are
    /// spread evenly, so that they do not come again together.
    pub(crate) fn share(self, generation: u32) -> u32 {
        let share = (u64::from(spread(generation)) * (u64::from(self.jitter) + 1)) >> 32;
        u32::try_from(share).unwrap_or(self.jitter)
    }
}

/// Spreads numbers that follow one another evenly over all there are: multiplicative hashing (Knuth).
pub(crate) fn spread(number: u32) -> u32 {
    number.wrapping_mul(2_654_435_769)
}

/// How much a connection may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) policy: RatePolicy,
    /// Frames of whatever kind, close frames left out.
    pub(crate) messages: Option<Rate>,
    pub(crate) bytes: Option<Rate>,
}

impl Rates {
    fn new(settings: &Settings) -> Self {
        let rate = |per_second: u64| Rate::new(per_second, settings.rate_burst);
        Self {
            policy: settings.rate_policy,
            messages: settings.messages_per_second_max.map(rate),
            bytes: settings.bytes_per_second_max.map(|bytes| rate(bytes as u64)),
        }
    }
}

impl Policy {
    /// With more than this in an outbox, its newest pong makes way for a newer one. Room for 40 of the longest.
    pub(crate) const PONGS_BYTES_FREE: usize = 8 << 10;
    /// Part of handshake-timeout that a peer has to send its request while others wait for its slot.
    pub(crate) const EVICTABLE_SHARE: u32 = 10;
    /// Newcomers that are being turned away, beyond the opening handshakes: the next are answered before their request
    /// has come.
    pub(crate) const REFUSALS_MAX: u32 = 256;
    /// So many more recover a connection, whatever else is to be turned away.
    pub(crate) const RECOVERIES_MAX: u32 = 64;
    /// How long the request of one that is turned away is waited for, at least.
    pub(crate) const REFUSAL_TIME: Duration = Duration::from_millis(1500);
    /// A connection with more than this in its outbox is not read from; less where outboxes are small.
    pub(crate) const UNSENT_BYTES_MAX: usize = settings::UNSENT_BYTES_MAX;
    /// What a connection may hold of a message that is not whole, whatever the others hold.
    pub(crate) const PARTIAL_BYTES_FREE: usize = 2 << 10;
    /// Longest frame that one for whom nothing waits gets even when what waits for all is far too much.
    pub(crate) const OUTBOX_BYTES_FREE: usize = 1 << 10;
    /// What a piece of output takes in an outbox besides its bytes.
    pub(crate) const QUEUED_BYTES: usize = settings::QUEUED_BYTES;
    /// Most bytes read and thrown away for a peer that goes on sending after it was told why it is closed.
    pub(crate) const DISCARD_BYTES_MAX: usize = 64 << 20;
    /// Most closing handshakes begun in one turn.
    pub(crate) const CLOSES_PER_TURN: usize = 64;
    /// Most connections whose outbox is looked at in one turn.
    pub(crate) const FLUSHES_PER_TURN: usize = 256;
    /// Most bytes of one send that waits for its peer: what it must read within send-timeout.
    pub(crate) const SEND_BYTES_MAX: usize = 64 << 10;
    /// Frames up to this size are put together into one send.
    pub(crate) const COALESCE_BYTES_MAX: usize = 4 << 10;

    pub(crate) fn new(settings: &Settings, connections_max: u32, handshakes_max: u32) -> Self {
        let seconds = |period: Duration| u32::try_from(period.as_secs()).unwrap_or(u32::MAX).max(1);
        let ping_interval = settings.ping_interval.map(seconds);
        let idle_timeout = settings.idle_timeout.map(seconds);
        let plan = Plan::of_this_process(settings);
        Self {
            connections_max,
            connections_limit: connections_limit(settings, connections_max),
            handshakes_max,
            deferred_max: settings.hubs.iter().map(|hub| hub.settings.openings_waiting_max()).sum(),
            groups_per_connection_max: u16::try_from(settings.groups_per_connection_max).unwrap_or(u16::MAX),
            groups_max: settings.groups_max,
            broadcasts: Broadcasts::default(),
            handshake_timeout: settings.handshake_timeout,
            head: HeadLimits {
                head_bytes_max: settings.head_bytes_max,
                headers_max: usize::from(settings.headers_max),
            },
            input: Limits {
                frame_bytes_max: settings.frame_bytes_max as u64,
                message_bytes_max: settings.message_bytes_max,
            },
            outbox_bytes_max: settings.outbox_bytes_max,
            shard_outbox_bytes_max: settings
                .shard_outbox_bytes_max
                .unwrap_or_else(|| plan.map_or(usize::MAX, |plan| plan.shard_outbox_bytes_max())),
            kernel_bytes: 2 * memory_limit().and_then(MemoryLimit::socket_buffer_bytes).unwrap_or(0),
            shard_partial_bytes_max: settings
                .shard_partial_bytes_max
                .unwrap_or_else(|| plan.map_or(usize::MAX, |plan| plan.shard_partial_bytes_max())),
            shard_unacknowledged_bytes_max: settings
                .shard_unacknowledged_bytes_max
                .unwrap_or_else(|| plan.map_or(usize::MAX, |plan| plan.shard_unacknowledged_bytes_max())),
            recovery_timeout: settings.recovery_timeout,
            message_timeout: settings.message_timeout.map(seconds),
            unsent_bytes_max: Self::unsent_bytes_max(settings.outbox_bytes_max),
            buffers: buffers(settings),
            slow: settings.slow_policy,
            rates: Rates::new(settings),
            ping_interval,
            idle_timeout,
            heard_lately: heard_lately(ping_interval.unwrap_or(0), idle_timeout),
            pings_unanswered_max: settings.pings_unanswered_max,
            age: Age::new(settings),
            close_timeout: settings.close_timeout,
            send_timeout: settings.send_timeout,
            drain_code: settings.drain_code.code(),
            deflate: DeflatePolicy::new(settings),
            health_path: settings.health_path.clone(),
            rules: Rules::new(settings),
            proxy_protocol: settings.proxy_protocol,
            forwarded: settings.forwarded,
            trusted_proxies: settings.trusted_proxies.clone(),
        }
    }

    /// Each answer may be so many bytes longer than its message.
    pub(crate) fn expect_longer_answers(&mut self, longer_by: usize) {
        if !outbox_holds_long(self.outbox_bytes_max, self.input.message_bytes_max, longer_by) {
            self.buffers = Buffers::Short;
        }
    }

    /// What may wait for a connection that is still read from: the answers to one read come on top.
    pub(crate) fn unsent_bytes_max(outbox_bytes_max: usize) -> usize {
        (outbox_bytes_max / 4).min(Self::UNSENT_BYTES_MAX)
    }

    /// Whether what this peer says of others is believed; `None` stands for a Unix socket.
    pub(crate) fn trusts(&self, peer: Option<IpAddr>) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }

    /// Slots for opening handshakes and refusals.
    pub(crate) fn handshake_slots(&self) -> u32 {
        self.handshakes_max + self.deferred_max + Self::REFUSALS_MAX + Self::RECOVERIES_MAX
    }
}

/// The limit that a shard with so many places has reached when all are taken.
fn connections_limit(settings: &Settings, connections_max: u32) -> Limit {
    match settings.shard_connections_max {
        Some(most) if most == u64::from(connections_max) => Limit::ShardConnections,
        _ => Limit::Connections,
    }
}

/// Long buffers, too, unless they would bring more at once than the settings mean a connection to: answers that its
/// outbox cannot hold, or what takes long to pay off where it has a rate.
fn buffers(settings: &Settings) -> Buffers {
    let rated = settings.messages_per_second_max.is_some() || settings.bytes_per_second_max.is_some();
    let holds = outbox_holds_long(settings.outbox_bytes_max, settings.message_bytes_max, 0);
    if rated || !holds { Buffers::Short } else { Buffers::Any }
}

/// Whether an outbox holds the answers to what a long buffer can bring.
fn outbox_holds_long(outbox_bytes_max: usize, message_bytes_max: usize, longer_by: usize) -> bool {
    outbox_needed(message_bytes_max, Budget::LONG_BUFFER_BYTES, longer_by) <= outbox_bytes_max
}

/// How lately something must have been heard for a ping to be left out, in seconds. It is half of ping-interval; less
/// if the next ping would then come so late that idle-timeout could end a healthy connection before it answers.
fn heard_lately(ping_interval: u32, idle_timeout: Option<u32>) -> u32 {
    let spare = idle_timeout.map_or(ping_interval, |idle| idle.saturating_sub(ping_interval));
    spare.min(ping_interval) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_is_left_out_only_if_the_next_one_comes_in_time() {
        assert_eq!(heard_lately(60, None), 30);
        assert_eq!(heard_lately(60, Some(600)), 30);
        for idle in 61..=200 {
            let silent_at_next_ping = heard_lately(60, Some(idle)) + 60;
            assert!(silent_at_next_ping <= idle, "{silent_at_next_ping} of {idle}");
        }
    }

    #[test]
    fn what_is_not_set_follows_from_the_memory_plan() {
        let settings = Settings { shards: 2, ..Settings::default() };
        let plan = Plan::of_this_process(&settings).expect("of this machine");
        let policy = Policy::new(&settings, 1, 1);
        let (outboxes, partial) =
            (policy.shard_outbox_bytes_max as u64, policy.shard_partial_bytes_max as u64);
        assert_eq!((outboxes, partial), (plan.outboxes / 2 / 5 * 4, plan.partial_messages / 2 / 5 * 4));
        assert!(plan.connections + 2 * (outboxes + partial) < plan.total, "{plan:?}");
        let set =
            Settings { shard_outbox_bytes_max: Some(5000), shard_partial_bytes_max: Some(6000), ..settings };
        let policy = Policy::new(&set, 1, 1);
        assert_eq!((policy.shard_outbox_bytes_max, policy.shard_partial_bytes_max), (5000, 6000));
    }

    #[test]
    fn long_buffers_are_for_those_whose_outbox_holds_the_answers_and_who_have_no_rate() {
        let needed = outbox_needed(Settings::default().message_bytes_max, Budget::LONG_BUFFER_BYTES, 0);
        let outbox = |outbox_bytes_max| Settings { outbox_bytes_max, ..Settings::default() };
        for (settings, expected) in [
            (Settings::default(), Buffers::Any),
            (outbox(needed), Buffers::Any),
            (outbox(needed - 1), Buffers::Short),
            (Settings { bytes_per_second_max: Some(1 << 30), ..Settings::default() }, Buffers::Short),
            (Settings { messages_per_second_max: Some(1 << 30), ..Settings::default() }, Buffers::Short),
        ] {
            assert_eq!(buffers(&settings), expected, "{settings:?}");
        }
        for (longer_by, expected) in [(0, Buffers::Any), (1, Buffers::Short)] {
            let mut policy = Policy::new(&outbox(needed), 1, 1);
            policy.expect_longer_answers(longer_by);
            assert_eq!(policy.buffers, expected, "{longer_by}");
        }
    }

    #[test]
    fn those_who_came_together_leave_apart_and_nobody_stays_too_long() {
        let hour = Duration::from_secs(3600);
        let settings = Settings { connection_age_max: Some(hour), ..Settings::default() };
        let age = Age::new(&settings).expect("it is set");
        let mut minutes = [0; 7];
        (0..3_600).for_each(|generation| minutes[(age.share(generation) / 60) as usize] += 1);
        assert!(minutes[..6].iter().all(|count| (550..650).contains(count)), "{minutes:?}");
        let all = (0..1000).map(|generation| age.share(generation));
        assert!(all.clone().max() <= Some(360) && all.min() == Some(0));
        let none = Settings { connection_age_jitter: Some(Duration::ZERO), ..settings };
        assert!((0..100).all(|generation| Age::new(&none).is_some_and(|age| age.share(generation) == 0)));
    }
}
