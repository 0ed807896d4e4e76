//! What is always true of a shard between two turns.

use std::collections::BTreeSet;

use holdfast_ring::Driver;

use super::application::Busy;
use super::choices::LINE_MAX;
use super::tampered::Tampered;
use crate::ConnectionId;
use crate::shard::connection::{Connection, State};
use crate::shard::{Policy, Shard};

/// Turns in a row that may ask for the next one at once although nothing happens.
const SPINS_MAX: usize = 64;

/// Seconds after a deadline at which the sweep has looked: a stride of the clock, and a round of its own.
const LATE_MAX: u32 = 5;

/// What is seen of a shard over several turns.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Turns in a row in which nothing has happened.
    spins: usize,
    /// Messages to many that were left for the next turn.
    pub(super) walks: u64,
    /// Connections that were paused and not read from.
    deaf: BTreeSet<ConnectionId>,
}

/// Asserts all of it.
pub(super) fn check(shard: &Shard<Tampered, Busy>, watch: &mut Watch) {
    let (mut sums, mut waiting) = ((0, 0), 0);
    let book = shard.application.book.borrow();
    let reserved: BTreeSet<u32> =
        book.reserved.values().filter(|id| id.shard == shard.core.shard).map(|id| id.key).collect();
    assert_eq!(shard.core.reserved, reserved.len(), "a place for each id that is reserved");
    for (key, connection) in &shard.core.connections {
        let key = u32::try_from(key).expect("a key has 32 bits");
        if reserved.contains(&key) {
            assert_eq!(connection.state(), State::Released, "nobody is there yet");
            continue;
        }
        check_connection(shard, key, connection);
        sums.0 += connection.outbox_bytes();
        sums.1 += connection.receiver.partial_bytes();
        let waits = connection.extra.as_ref().is_some_and(|extra| extra.send_deadline.is_some());
        waiting += if waits { connection.sending as usize + shard.core.policy.kernel_bytes } else { 0 };
    }
    let core = &shard.core;
    assert!(core.publications <= LINE_MAX as usize, "publications are bounded");
    assert!(shard.driver.inner.offers() <= core.policy.broadcasts.sends_max, "offers are bounded");
    assert_eq!((core.held.outboxes, core.held.partial), sums, "bytes in outboxes and of partial messages");
    assert_eq!(core.held.sends, waiting, "bytes of sends that wait");
    let open = core.handshakes.iter().filter(|(_, handshake)| handshake.is_open()).count();
    let counted = shard.open_handshakes + shard.deferred_handshakes;
    assert_eq!(counted as usize, open, "opening handshakes");
    let overdue = |deadline: u32| core.clock.second() > deadline + LATE_MAX;
    assert!(
        !core.handshakes.iter().any(|(_, handshake)| overdue(handshake.deadline)),
        "a handshake is overdue"
    );
    assert!(
        open <= (core.policy.handshakes_max + core.policy.deferred_max) as usize
            && core.connections.len() <= core.policy.connections_max as usize
    );
    assert_eq!(core.counters.held(), core.len() as u64, "opened = closed + held");
    let (driver, stats) = (&shard.driver.inner, shard.driver.stats());
    let lent = stats.buffers_lent + stats.long_buffers_lent;
    assert_eq!(lent, driver.buffers_in_sends(), "between turns only sends hold buffers");
    let records = core.len() + core.handshakes.len();
    assert_eq!(driver.slots_owned(), records, "a slot for each record");
    let last = driver.last_turn();
    let spun = last.timeout.is_zero() && last.events == 0 && !last.unfinished;
    watch.spins = if spun { watch.spins + 1 } else { 0 };
    assert!(watch.spins < SPINS_MAX, "{} turns in which nothing happens", watch.spins);
    watch.walks += core.publications as u64;
    check_paused(shard, &mut watch.deaf);
}

fn check_connection(shard: &Shard<Tampered, Busy>, key: u32, connection: &Connection) {
    let (driver, policy, token) = (&shard.driver.inner, &shard.core.policy, shard.token(key));
    let (state, outbox_bytes) = (connection.state(), connection.outbox_bytes());
    let (receiving, dirty, sending) = (connection.is_receiving(), connection.is_dirty(), connection.sending);
    let who = format_args!(
        "{token:?} is {state:?}, sends {sending}, {outbox_bytes} wait, receives: {receiving}, dirty: {dirty}"
    );
    assert!(driver.owns(token), "it has a slot: {who}");
    if let Some(extra) = &connection.extra {
        assert_eq!(outbox_bytes, extra.outbox.sum(), "{who}");
    }
    // Beyond the limit: the rest of what was in flight, and a close frame.
    let most = policy.outbox_bytes_max + Policy::SEND_BYTES_MAX + 127 + 3 * Policy::QUEUED_BYTES;
    assert!(outbox_bytes <= most, "an outbox is bounded: {who}");
    if state == State::Released {
        return;
    }
    let deadlines = connection.extra.as_ref().map(|extra| [extra.close_deadline, extra.send_deadline]);
    let overdue = |deadline: u32| shard.core.clock.second() > deadline + LATE_MAX;
    assert!(!deadlines.into_iter().flatten().flatten().any(overdue), "it is overdue: {who}");
    assert_eq!(receiving, driver.is_receiving(token), "the driver knows: {who}");
    assert_eq!(sending > 0, driver.is_sending(token), "the driver knows: {who}");
    let waits = outbox_bytes > 0 || state == State::Finishing;
    assert!(!waits || sending > 0 || dirty, "nothing is forgotten: {who}");
    // One that was too slow is read from again when all has been sent, one that was too quick when it has waited.
    let waits_to_send = connection.extra.is_some() && connection.is_sending();
    let may_be_deaf = receiving
        || dirty
        || !state.may_receive()
        || (state == State::Open && (connection.is_paused() || waits_to_send || shard.core.meters.is_some()));
    assert!(may_be_deaf, "it is read from: {who}");
}

/// Who is paused is not read from, once what was asked for before has come.
fn check_paused(shard: &Shard<Tampered, Busy>, deaf: &mut BTreeSet<ConnectionId>) {
    let book = shard.application.book.borrow();
    let open = shard.core.connections.iter().filter(|(_, it)| it.state() == State::Open);
    let open = open.map(|(key, it)| (shard.core.id(u32::try_from(key).expect("a key has 32 bits")), it));
    let before = std::mem::take(deaf);
    for (id, connection) in open {
        assert_eq!(connection.is_paused(), book.paused.contains_key(&id), "it is known who is paused");
        if connection.is_paused() {
            let goes_on = connection.is_receiving() && before.contains(&id);
            assert!(!goes_on, "{id:?} is read from although it is paused");
            deaf.extend((!connection.is_receiving()).then_some(id));
        }
    }
}
