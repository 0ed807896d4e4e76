//! Opening handshakes: from an accepted socket to an open connection, or to an answer that says why not.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Instant;

use bytes::Bytes;
use holdfast_proto::deflate::Agreement;
use holdfast_proto::{AcceptKey, HandshakeError, HeadStatus, parse_head, write_accept, write_refusal};
use holdfast_ring::{Close, Driver, Lent, Progress, Token};
use rustix::net::{RecvFlags, SendFlags, getpeername, recv, send};

use super::Shard;
use super::connection::Connection;
use super::policy::Policy;
use crate::application::{Admission, Application, Context, Opening, Verdict};
use crate::counters::{HandshakeOutcome, Limit};
use crate::quota::Place;
use crate::{ConnectionId, HandshakeId};

/// A peer that is not a connection yet, or never will be.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) generation: u32,
    /// Second of the shard's clock at which it is given up.
    pub(crate) deadline: u32,
    accepted: Instant,
    /// One of its address's places for connections, if they are counted.
    place: Option<Place>,
    stage: Stage,
    /// Whether the driver was asked for the next bytes and has not answered.
    receiving: bool,
}

#[derive(Debug)]
enum Stage {
    /// What came of the head so far.
    Reading(Vec<u8>),
    /// The application will answer later.
    Deferred(Box<Deferred>),
    /// The answer, which is not 101, is on its way.
    Refusing,
    /// It has gone: read and discard until the peer closes.
    Lingering { discarded: usize },
    /// The driver was asked to close.
    Released,
}

/// What is needed to answer later.
#[derive(Debug)]
struct Deferred {
    terms: Terms,
    /// What the peer sent behind its head.
    rest: Vec<u8>,
}

impl Handshake {
    fn new(generation: u32, deadline: u32, accepted: Instant, stage: Stage) -> Self {
        Self { generation, deadline, accepted, place: None, stage, receiving: false }
    }

    /// Whether it may still become a connection.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Reading(_) | Stage::Deferred(_))
    }
}

/// A peer that waits for its opening handshake.
#[derive(Debug)]
pub(crate) struct Arrival {
    descriptor: OwnedFd,
    accepted: Instant,
    place: Option<Place>,
}

/// What peers hear that come while the gateway drains.
pub(super) const GOING_AWAY: &str = "the gateway is going away, please connect again";

/// What a 101 answer says, whatever the application's verdict adds.
#[derive(Clone, Copy, Debug)]
struct Terms {
    key: AcceptKey,
    deflate: Option<Agreement>,
}

/// A head that is whole, and what its sender is to hear.
struct Answer {
    verdict: Option<Verdict>,
    terms: Terms,
    head_len: usize,
}

impl<D: Driver, A: Application> Shard<D, A> {
    /// A peer was accepted here, or handed over by a shard that was full.
    pub(super) fn on_peer(&mut self, descriptor: OwnedFd, handed_over: bool) {
        self.core.counters.accepted.add(u64::from(!handed_over));
        // Who hands a peer over has claimed a place for it.
        self.claimed += u32::from(handed_over);
        if self.drain.is_some() {
            return self.refuse_peer(descriptor, 503, GOING_AWAY);
        }
        if !handed_over && !self.claim() {
            if let Some(descriptor) = self.hand_over(descriptor) {
                self.core.counters.limit(self.core.policy.connections_limit);
                self.refuse_peer(descriptor, 503, "all connections are taken, please try again later");
            }
            return;
        }
        match self.count(&descriptor) {
            Err(limit) => {
                self.core.counters.limit(limit);
                let (status, text) = refusal_for(limit);
                self.refuse_peer(descriptor, status, text);
            }
            Ok(place) => self.arrive(Arrival { descriptor, accepted: self.core.clock.now(), place }),
        }
    }

    /// Counts a peer toward what is limited for all shards together.
    fn count(&self, descriptor: &OwnedFd) -> Result<Option<Place>, Limit> {
        let quota = &self.core.quota;
        let address = if quota.counts_addresses() { client_address(descriptor) } else { None };
        let place = address.map_or(Ok(None), |address| quota.enter(address))?;
        quota.begin_handshake(self.core.clock.now())?;
        Ok(place)
    }

    fn arrive(&mut self, arrival: Arrival) {
        if self.may_begin_handshake() {
            self.begin_handshake(arrival);
        } else {
            self.core.counters.limit(Limit::Handshakes);
            self.waiting.push_back(arrival);
        }
    }

    /// Takes one of this shard's places for a peer, if there is one.
    fn claim(&mut self) -> bool {
        let core = &self.core;
        let mut claimed = core.handle.peer(core.shard).claim();
        if !claimed {
            // Places may have become free in this very turn.
            self.settle();
            claimed = self.core.handle.peer(self.core.shard).claim();
        }
        self.claimed += u32::from(claimed);
        claimed
    }

    /// Gives back the places of those who have ended.
    pub(super) fn settle(&mut self) {
        let free = self.claimed.saturating_sub(self.load());
        if free > 0 {
            self.claimed -= free;
            self.core.handle.peer(self.core.shard).release(free);
        }
    }

    /// Whether one more may be in its opening handshake. A peer that was refused keeps its slot for a while, so that
    /// slots may be fewer than handshakes-max says.
    fn may_begin_handshake(&self) -> bool {
        self.open_handshakes < self.core.policy.handshakes_max
            && self.core.handshakes.len() < self.core.policy.handshake_slots() as usize
    }

    /// Whether as many refused peers as may be still have a slot.
    fn refuses_many(&self) -> bool {
        self.core.handshakes.len() >= (self.open_handshakes + Policy::REFUSALS_MAX) as usize
    }

    /// Connections, and those who may become some.
    pub(super) fn load(&self) -> u32 {
        let connections = self.core.connections.len() + self.waiting.len();
        u32::try_from(connections).unwrap_or(u32::MAX).saturating_add(self.open_handshakes)
    }

    fn hand_over(&mut self, descriptor: OwnedFd) -> Option<OwnedFd> {
        let back = self.core.handle.hand_over(self.core.shard, descriptor);
        self.core.counters.handed_over.add(u64::from(back.is_none()));
        back
    }

    fn begin_handshake(&mut self, Arrival { descriptor, accepted, place }: Arrival) {
        let deadline = self.core.clock.second_after(self.core.policy.handshake_timeout);
        let stage = Stage::Reading(Vec::new());
        if let Ok(key) = self.add_handshake(descriptor, deadline, accepted, stage) {
            self.open_handshakes += 1;
            self.core.handshakes[key].place = place;
            self.receive_head(key);
        }
    }

    fn add_handshake(
        &mut self,
        descriptor: OwnedFd,
        deadline: u32,
        accepted: Instant,
        stage: Stage,
    ) -> rustix::io::Result<usize> {
        let generation = self.core.next_generation();
        let key = self.core.handshakes.vacant_key();
        self.driver.adopt(self.handshake_token(key, generation), descriptor)?;
        Ok(self.core.handshakes.insert(Handshake::new(generation, deadline, accepted, stage)))
    }

    fn handshake_token(&self, key: usize, generation: u32) -> Token {
        Token { slot: u32::try_from(key).unwrap_or(u32::MAX), generation }
    }

    fn token_of(&self, key: usize) -> Token {
        self.handshake_token(key, self.core.handshakes[key].generation)
    }

    /// Lets those go on who waited for an opening handshake to end.
    pub(super) fn admit_waiting(&mut self) {
        while self.may_begin_handshake() {
            let Some(arrival) = self.waiting.pop_front() else { return };
            self.begin_handshake(arrival);
        }
    }

    fn receive_head(&mut self, key: usize) {
        self.core.handshakes[key].receiving = true;
        self.driver.receive(self.token_of(key));
    }

    /// Bytes from a peer that is not a connection yet.
    pub(super) fn on_handshake_bytes(&mut self, key: usize, mut buffer: Lent) {
        let handshake = &mut self.core.handshakes[key];
        handshake.receiving = false;
        match &mut handshake.stage {
            Stage::Reading(head) if head.is_empty() => self.read_head(key, &mut buffer),
            Stage::Reading(head) => {
                head.extend_from_slice(&buffer);
                let ends_a_line = buffer.contains(&b'\n');
                drop(buffer);
                // Only the end of a line can end the head, or show that it is wrong.
                if ends_a_line || head.len() >= self.core.policy.head.head_bytes_max {
                    let mut head = std::mem::take(head);
                    self.read_head(key, &mut head);
                } else {
                    self.receive_head(key);
                }
            }
            Stage::Lingering { discarded } => {
                *discarded += buffer.len();
                let enough = *discarded > Policy::DISCARD_BYTES_MAX;
                drop(buffer);
                if enough { self.release_handshake(key, Close::Reset) } else { self.receive_head(key) }
            }
            // Not asked for in these stages.
            Stage::Deferred(_) | Stage::Refusing | Stage::Released => {}
        }
    }

    /// Looks at all that came of a head so far.
    fn read_head(&mut self, key: usize, input: &mut [u8]) {
        match self.judge(key, input) {
            Ok(None) => {
                self.core.handshakes[key].stage = Stage::Reading(input.to_vec());
                self.receive_head(key);
            }
            Ok(Some(Answer { verdict: Some(verdict), terms, head_len })) => {
                self.answer(key, verdict, terms, &mut input[head_len..]);
            }
            Ok(Some(Answer { verdict: None, terms, head_len })) => {
                let rest = input[head_len..].to_vec();
                self.core.handshakes[key].stage = Stage::Deferred(Box::new(Deferred { terms, rest }));
            }
            Err(error) => {
                if let Some(limit) = limit_of(error) {
                    self.core.counters.limit(limit);
                }
                self.refuse(key, error.status(), &error.to_string());
            }
        }
    }

    /// Parses a head and asks the application; nothing if there is more to come.
    fn judge(&mut self, key: usize, input: &[u8]) -> Result<Option<Answer>, HandshakeError> {
        let HeadStatus::Complete { request, head_len } = parse_head(input, &self.core.policy.head)? else {
            return Ok(None);
        };
        let id = self.handshake_id(key);
        let opening = Opening { id, request: &request };
        let admission = self.application.open(&mut Context::new(&mut self.core), &opening);
        let verdict = match admission {
            Admission::Now(verdict) => Some(verdict),
            Admission::Later => None,
        };
        let terms =
            Terms { key: request.accept_key(), deflate: self.core.policy.deflate.negotiate(&request) };
        Ok(Some(Answer { verdict, terms, head_len }))
    }

    fn handshake_id(&self, key: usize) -> HandshakeId {
        let token = self.token_of(key);
        HandshakeId { shard: self.core.shard, key: token.slot, generation: token.generation }
    }

    /// The application's answer to an opening handshake that was put off.
    pub(super) fn on_answer(&mut self, id: HandshakeId, verdict: Verdict) {
        let key = id.key as usize;
        let handshake = self.core.handshakes.get_mut(key).filter(|it| it.generation == id.generation);
        // It may have been answered before, or have ended.
        let Some(Handshake { stage: Stage::Deferred(deferred), .. }) = handshake else { return };
        let Deferred { terms, rest } = &mut **deferred;
        let (terms, mut rest) = (*terms, std::mem::take(rest));
        self.answer(key, verdict, terms, &mut rest);
    }

    fn answer(&mut self, key: usize, verdict: Verdict, terms: Terms, rest: &mut [u8]) {
        match verdict {
            Verdict::Accept { subprotocol } => self.accept(key, terms, subprotocol.as_deref(), rest),
            Verdict::Refuse { status, reason } => {
                // Anything else would not be a refusal: the application's mistake, not the peer's.
                let status = if (400..600).contains(&status) { status } else { 500 };
                self.refuse(key, status, &reason);
            }
        }
    }

    /// Makes a connection of it: a record, a slot, the 101 answer, and then what the peer sent behind its head.
    fn accept(&mut self, key: usize, terms: Terms, subprotocol: Option<&str>, rest: &mut [u8]) {
        let (from, handshake_id) = (self.token_of(key), self.handshake_id(key));
        let handshake = self.core.handshakes.remove(key);
        self.open_handshakes -= 1;
        let generation = self.core.next_generation();
        let now = self.core.clock.second();
        let connection = self.core.connections.vacant_key();
        let next_ping = self.first_ping(connection);
        let to = self.connection_token(connection, generation);
        if self.driver.promote(from, to).is_err() {
            self.core.counters.handshake(HandshakeOutcome::Gone);
            return;
        }
        let window = terms.deflate.map(Agreement::window_bits);
        self.core.connections.insert(Connection::new(generation, now, next_ping, window));
        self.core.counters.deflate.opened.add(u64::from(window.is_some()));
        self.core.begin_record(to.slot - self.core.policy.handshake_slots(), handshake.place);
        self.core.counters.opened.add(1);
        self.core.counters.handshake(HandshakeOutcome::Accepted);
        self.core.counters.handshake_duration.record(self.core.clock.now() - handshake.accepted);

        let mut answer = std::mem::take(&mut self.scratch);
        write_accept(&mut answer, &terms.key, subprotocol, terms.deflate.map(Agreement::answer));
        let connection = to.slot - self.core.policy.handshake_slots();
        self.connection_mut(connection).answer_left = u16::try_from(answer.len()).unwrap_or(u16::MAX);
        self.send_first(connection, &answer);
        answer.clear();
        self.scratch = answer;
        let id = ConnectionId { shard: self.core.shard, key: connection, generation };
        self.application.opened(&mut Context::new(&mut self.core), id, handshake_id);
        if rest.is_empty() {
            self.go_on_receiving(connection);
        } else {
            self.on_input(connection, rest);
        }
    }

    /// Answers with an HTTP status and ends.
    fn refuse(&mut self, key: usize, status: u16, text: &str) {
        let answer = self.refusal(status, text);
        self.end_handshake(key, HandshakeOutcome::of(status));
        self.send_refusal(key, Bytes::from(answer));
    }

    fn send_refusal(&mut self, key: usize, answer: Bytes) {
        self.core.handshakes[key].stage = Stage::Refusing;
        if self.driver.send_shared(self.token_of(key), answer) == Progress::Done {
            self.on_refusal_sent(key);
        }
    }

    /// A handshake will not become a connection: counts how it ended, and gives it the time to hear so.
    fn end_handshake(&mut self, key: usize, outcome: HandshakeOutcome) {
        let deadline = self.core.clock.second_after(self.core.policy.close_timeout);
        let handshake = &mut self.core.handshakes[key];
        if handshake.is_open() {
            handshake.deadline = deadline;
            handshake.place = None;
            self.open_handshakes -= 1;
            self.core.counters.handshake(outcome);
        }
    }

    /// The answer has gone: say end of stream, and discard what the peer still sends, so that no reset overtakes it.
    pub(super) fn on_refusal_sent(&mut self, key: usize) {
        if !matches!(self.core.handshakes[key].stage, Stage::Refusing) {
            return;
        }
        if self.refuses_many() {
            // Others need the slot: this one has its answer, and may lose it if it has more to say.
            return self.release_handshake(key, Close::Orderly);
        }
        self.core.handshakes[key].stage = Stage::Lingering { discarded: 0 };
        self.driver.shutdown(self.token_of(key));
        if !self.core.handshakes[key].receiving {
            self.receive_head(key);
        }
    }

    /// An answer that is not 101.
    fn refusal(&self, status: u16, text: &str) -> Vec<u8> {
        let mut answer = Vec::new();
        // Those who are refused together are not to come back together. (Any number will do that seldom repeats.)
        let spread = self.core.counters.accepted.get() % u64::from(RETRY_SECONDS);
        let seconds = 1 + u32::try_from(spread).unwrap_or(0);
        write_refusal(&mut answer, status, text, matches!(status, 429 | 503).then_some(seconds));
        answer
    }

    /// A peer is not to be served: it is told so on a slot of its own if there is one, else without waiting.
    fn refuse_peer(&mut self, descriptor: OwnedFd, status: u16, text: &str) {
        if self.refuses_many() {
            return self.refuse_without_waiting(&descriptor, status, text);
        }
        self.core.counters.handshake(HandshakeOutcome::of(status));
        let answer = self.refusal(status, text);
        let deadline = self.core.clock.second_after(self.core.policy.close_timeout);
        if let Ok(key) = self.add_handshake(descriptor, deadline, self.core.clock.now(), Stage::Refusing) {
            self.send_refusal(key, Bytes::from(answer));
        }
    }

    /// Answers as far as that goes at once.
    pub(super) fn refuse_without_waiting(&self, descriptor: &OwnedFd, status: u16, text: &str) {
        self.core.counters.handshake(HandshakeOutcome::of(status));
        let answer = self.refusal(status, text);
        // What has come of the request is taken out first, as far as it fits: closing with input unread is a reset.
        let mut request = [0; 4096];
        let _ = recv(descriptor, &mut request[..], RecvFlags::DONTWAIT);
        let _ = send(descriptor, &answer, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    }

    /// End of stream, or an error: whatever stage it is in, nothing more can come of it.
    pub(super) fn on_handshake_end(&mut self, key: usize) {
        self.core.handshakes[key].receiving = false;
        match self.core.handshakes[key].stage {
            Stage::Released => {}
            // The answer is still on its way to a peer that has ended its own direction.
            Stage::Refusing => {}
            _ => {
                self.end_handshake(key, HandshakeOutcome::Gone);
                self.release_handshake(key, Close::Orderly);
            }
        }
    }

    /// The deadline has passed.
    pub(super) fn on_handshake_deadline(&mut self, key: usize) {
        match self.core.handshakes[key].stage {
            Stage::Reading(_) => {
                self.core.counters.limit(Limit::HandshakeTime);
                self.refuse(key, 408, "the request did not come in time");
            }
            Stage::Deferred(_) => {
                self.core.counters.limit(Limit::HandshakeTime);
                self.refuse(key, 503, "no answer in time, please try again later");
            }
            Stage::Refusing | Stage::Lingering { .. } => {
                self.core.counters.limit(Limit::CloseTime);
                self.release_handshake(key, Close::Reset);
            }
            Stage::Released => {}
        }
    }

    /// A drain began: whoever is not a connection yet is told so.
    pub(super) fn refuse_handshakes(&mut self) {
        let keys: Vec<usize> =
            self.core.handshakes.iter().filter(|(_, it)| it.is_open()).map(|(key, _)| key).collect();
        for key in keys {
            self.refuse(key, 503, GOING_AWAY);
        }
        while let Some(arrival) = self.waiting.pop_front() {
            self.refuse_peer(arrival.descriptor, 503, GOING_AWAY);
        }
    }

    /// Whether an answer is on its way to one who will not become a connection.
    pub(super) fn is_refusing(&self) -> bool {
        self.core.handshakes.iter().any(|(_, it)| matches!(it.stage, Stage::Refusing))
    }

    pub(super) fn release_handshake(&mut self, key: usize, how: Close) {
        if matches!(self.core.handshakes[key].stage, Stage::Released) {
            return;
        }
        let token = self.token_of(key);
        self.core.handshakes[key].stage = Stage::Released;
        self.driver.close(token, how);
    }
}

/// The limit that a request passed, if that is what is wrong with it.
fn limit_of(error: HandshakeError) -> Option<Limit> {
    match error {
        HandshakeError::HeadTooLong => Some(Limit::HeadBytes),
        HandshakeError::TooManyHeaders => Some(Limit::Headers),
        _ => None,
    }
}

/// Longest time after which a peer that was refused is asked to come again.
const RETRY_SECONDS: u32 = 10;

/// Whom a peer's connection is counted for; nobody where there is no address, as with Unix sockets. This is where the
/// address of a peer becomes known: one that is learnt later, from a proxy, belongs to `Handshake::place` instead.
fn client_address(descriptor: &OwnedFd) -> Option<IpAddr> {
    let address = getpeername(descriptor).ok().flatten()?;
    SocketAddr::try_from(address).ok().map(|address| address.ip())
}

/// What a peer hears that passes a limit before it has said anything: a status and a sentence.
fn refusal_for(limit: Limit) -> (u16, &'static str) {
    match limit {
        Limit::AddressConnections => (429, "too many connections from this address"),
        _ => (503, "too many connections at once, please try again later"),
    }
}
