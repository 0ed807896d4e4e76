//! What a shard writes into the access log.

use std::net::IpAddr;

use super::Core;
use crate::ConnectionId;
use crate::application::Visitor;
use crate::counters::{CloseCode, CloseReason, HandshakeOutcome};
use crate::observe::access_log::{Asked, Ending, Entry, Greeting, Log, Visit};

impl Core {
    /// From now on there is an access log.
    pub(crate) fn log_to(&mut self, log: Log) {
        self.log = Some(Box::new(log));
    }

    /// Whether the opening handshake with this number, any that seldom repeats, is logged. What becomes of it follows:
    /// its connection's end is logged if its beginning was.
    pub(crate) fn is_logged(&self, number: u64) -> bool {
        self.log.as_ref().is_some_and(|log| log.takes(number))
    }

    /// Logs that an opening handshake was accepted, and begins to keep what will be logged at the end.
    pub(crate) fn log_open(
        &mut self,
        id: ConnectionId,
        address: Option<IpAddr>,
        asked: Asked,
        subprotocol: Option<String>,
        visitor: Visitor,
    ) {
        let Some(log) = &mut self.log else { return };
        let since = self.clock.now();
        let visit = Visit { since, bytes_in: 0, bytes_out: 0, messages_in: 0, messages_out: 0 };
        log.visits.insert(id.key, visit);
        self.connections[id.key as usize].marks.log();
        let (outcome, Visitor { hub, user }) = (HandshakeOutcome::Accepted, visitor);
        self.write(Entry::open(
            self.handle.names().name(id).to_string(),
            Greeting { address, asked, subprotocol, hub, user, status: Some(101), outcome },
        ));
    }

    /// Logs that an opening handshake ended otherwise. Health checks are none, nor are requests
    /// that somebody else answers.
    pub(crate) fn log_refusal(
        &self,
        address: Option<IpAddr>,
        asked: Asked,
        outcome: HandshakeOutcome,
        status: Option<u16>,
    ) {
        if !matches!(outcome, HandshakeOutcome::Health | HandshakeOutcome::Handed) {
            let (subprotocol, hub, user) = (None, None, None);
            self.write(Entry::refuse(Greeting { address, asked, subprotocol, hub, user, status, outcome }));
        }
    }

    /// Logs that a client came back to a connection, if the beginning of that was logged.
    pub(crate) fn log_recovery(&self, id: ConnectionId, address: Option<IpAddr>) {
        if self.connections[id.key as usize].marks.is_logged() {
            self.write(Entry::recover(self.handle.names().name(id).to_string(), address));
        }
    }

    /// Notes what went over a connection, if that is logged.
    pub(crate) fn note(&mut self, key: u32, note: impl FnOnce(&mut Visit)) {
        if self.connections[key as usize].marks.is_logged()
            && let Some(visit) = self.log.as_mut().and_then(|log| log.visits.get_mut(&key))
        {
            note(visit);
        }
    }

    /// Logs that a connection ended, if its beginning was logged.
    pub(crate) fn log_close(&mut self, id: ConnectionId, reason: CloseReason, code: CloseCode) {
        let Some(log) = &mut self.log else { return };
        let Some(Visit { since, bytes_in, bytes_out, messages_in, messages_out }) =
            log.visits.remove(&id.key)
        else {
            return;
        };
        // To the millisecond.
        let seconds = ((self.clock.now() - since).as_secs_f64() * 1e3).round() / 1e3;
        let ending = Ending { reason, code, seconds, bytes_in, bytes_out, messages_in, messages_out };
        self.write(Entry::close(self.handle.names().name(id).to_string(), ending));
    }

    /// Logs the ends of those who are cut.
    pub(crate) fn log_cut(&mut self) {
        let keys: Vec<u32> =
            self.log.iter().flat_map(|log| log.visits.keys().copied().collect::<Vec<_>>()).collect();
        for key in keys {
            self.log_close(self.id(key), CloseReason::Drain, CloseCode::None);
        }
    }

    fn write(&self, entry: Entry) {
        if let Some(log) = &self.log
            && !log.sink.write(entry)
        {
            self.counters.log_dropped.add(1);
        }
    }
}
