//! The bytes of a request head: collected, judged, and answered by the application.

use holdfast_proto::deflate::Agreement;
use holdfast_proto::handshake::parse_plain;
use holdfast_proto::{HandshakeError, HeadStatus, parse_head, write_accept};
use holdfast_ring::{Buffers, Close, Driver, Lent};

use super::record::{Deferred, Handshake, Stage, Terms};
use super::refusal::{Refusal, Refused, limit_of};
use crate::admission::{Admission, Opening, Verdict};
use crate::application::Application;
use crate::counters::HandshakeOutcome;
use crate::observe::access_log::Asked;
use crate::shard::connection::Connection;
use crate::shard::policy::Policy;
use crate::shard::{Context, Shard};
use crate::{ConnectionId, HandshakeId};

/// A head that is whole, and what its sender is to hear.
struct Answer {
    verdict: Option<Verdict>,
    terms: Terms,
    head_len: usize,
}

impl<D: Driver, A: Application> Shard<D, A> {
    pub(super) fn receive_head(&mut self, key: usize) {
        self.core.handshakes[key].receiving = true;
        self.driver.receive(self.token_of(key), Buffers::Short);
    }

    /// Bytes from a peer that is not a connection yet.
    pub(in crate::shard) fn on_handshake_bytes(&mut self, key: usize, mut buffer: Lent) {
        let handshake = &mut self.core.handshakes[key];
        handshake.receiving = false;
        let proxy_header_due = handshake.proxy_header_due;
        match &mut handshake.stage {
            Stage::Reading(head) if head.is_empty() => self.read_head(key, &mut buffer),
            Stage::Reading(head) => {
                head.extend_from_slice(&buffer);
                let ends_a_line = buffer.contains(&b'\n');
                drop(buffer);
                // Only the end of a line can end the head, or show that it is wrong.
                if ends_a_line || proxy_header_due || head.len() >= self.core.policy.head.head_bytes_max {
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
    pub(super) fn read_head(&mut self, key: usize, input: &mut [u8]) {
        if self.core.handshakes[key].proxy_header_due {
            return self.read_proxy_header(key, input);
        }
        if self.core.handshakes[key].refusal.is_some() {
            return self.read_refused_head(key, input);
        }
        match self.judge(key, input) {
            Ok(None) => self.read_on(key, input),
            Ok(Some(Answer { verdict: Some(verdict), terms, head_len })) => {
                self.answer(key, verdict, terms, &mut input[head_len..]);
            }
            Ok(Some(Answer { verdict: None, terms, head_len })) => {
                let rest = input[head_len..].to_vec();
                self.core.handshakes[key].stage = Stage::Deferred(Box::new(Deferred { terms, rest }));
            }
            Err(Refused::Rule(rule)) => self.refuse_as(key, rule.outcome(), rule.status(), rule.text()),
            Err(Refused::Forwarded(error)) => {
                tracing::debug!(%error, "a trusted proxy does not say for whom it sends a request");
                self.refuse_as(key, HandshakeOutcome::Forwarded, 400, &error.to_string());
            }
            Err(Refused::Limit(limit)) => {
                self.core.counters.limit(limit);
                let Refusal { status, text } = Refusal::of(limit);
                self.refuse(key, status, text);
            }
            Err(Refused::Head(error)) => match self.health_check(error, input) {
                Some(is_head) => self.answer_health(key, is_head),
                None => {
                    if let Some(limit) = limit_of(error) {
                        self.core.counters.limit(limit);
                    }
                    self.refuse(key, error.status(), &error.to_string());
                }
            },
        }
    }

    /// Keeps what came of a head so far, and asks for more.
    pub(super) fn read_on(&mut self, key: usize, input: &[u8]) {
        self.core.handshakes[key].stage = Stage::Reading(input.to_vec());
        self.receive_head(key);
    }

    /// Whether a head that is no opening handshake is a health check, and if so whether by HEAD.
    fn health_check(&self, error: HandshakeError, input: &[u8]) -> Option<bool> {
        let path = self.core.policy.health_path.as_deref()?;
        match error {
            HandshakeError::NotAnUpgrade
            | HandshakeError::MethodNotGet
            | HandshakeError::VersionNotSupported => {}
            _ => return None,
        }
        let request = parse_plain(input, &self.core.policy.head)?;
        (request.path == path).then_some(request.is_head)
    }

    /// Parses a head and asks the application; nothing if there is more to come.
    fn judge(&mut self, key: usize, input: &[u8]) -> Result<Option<Answer>, Refused> {
        let HeadStatus::Complete { request, head_len } = parse_head(input, &self.core.policy.head)? else {
            return Ok(None);
        };
        if let Some(asked) = &mut self.core.handshakes[key].asked {
            **asked = Asked::new(request.path(), request.origin());
        }
        self.ask_whom_for(key, &request)?;
        let id = self.handshake_id(key);
        let subprotocol = self.core.policy.rules.judge(&request)?;
        let chosen = subprotocol.and_then(|index| self.core.policy.rules.offered(index, &request));
        let address = self.core.handshakes[key].caller.address;
        let opening = Opening { id, request: &request, subprotocol: chosen, address };
        let admission = self.application.open(&mut Context::new(&mut self.core), &opening);
        let verdict = match admission {
            Admission::Now(verdict) => Some(verdict),
            Admission::Later => None,
        };
        let deflate = self.core.policy.deflate.negotiate(&request);
        let terms = Terms { key: request.accept_key(), deflate, subprotocol };
        Ok(Some(Answer { verdict, terms, head_len }))
    }

    /// The application's answer to an opening handshake that was put off.
    pub(in crate::shard) fn on_answer(&mut self, id: HandshakeId, verdict: Verdict) {
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
        let mut handshake = self.core.handshakes.remove(key);
        self.open_handshakes -= 1;
        let asked = handshake.asked.take();
        let generation = self.core.next_generation();
        let now = self.core.clock.second();
        let connection = self.core.connections.vacant_key();
        let next_ping = self.first_ping(connection);
        let to = self.connection_token(connection, generation);
        if self.driver.promote(from, to).is_err() {
            self.core.counters.handshake(HandshakeOutcome::Gone);
            if let Some(asked) = asked {
                let address = handshake.caller.address;
                self.core.log_refusal(address, *asked, HandshakeOutcome::Gone, None);
            }
            return;
        }
        let window = terms.deflate.map(Agreement::window_bits);
        self.core.connections.insert(Connection::new(generation, now, next_ping, window));
        self.core.counters.deflate.opened.add(u64::from(window.is_some()));
        self.core.begin_record(to.slot - self.core.policy.handshake_slots(), handshake.caller.permit);
        self.core.counters.opened.add(1);
        self.core.counters.handshake(HandshakeOutcome::Accepted);
        self.core.counters.handshake_duration.record(self.core.clock.now() - handshake.accepted);

        let mut answer = std::mem::take(&mut self.scratch);
        let preferred = terms.subprotocol.and_then(|index| self.core.policy.rules.subprotocol(index));
        let subprotocol = subprotocol.or(preferred);
        write_accept(&mut answer, &terms.key, subprotocol, terms.deflate.map(Agreement::answer));
        let connection = to.slot - self.core.policy.handshake_slots();
        let id = ConnectionId { shard: self.core.shard, key: connection, generation };
        if let Some(asked) = asked {
            let subprotocol = subprotocol.map(str::to_owned);
            self.core.log_open(id, handshake.caller.address, *asked, subprotocol);
        }
        self.connection_mut(connection).answer_left = u16::try_from(answer.len()).unwrap_or(u16::MAX);
        self.send_first(connection, &answer);
        answer.clear();
        self.scratch = answer;
        self.application.opened(&mut Context::new(&mut self.core), id, handshake_id);
        if rest.is_empty() {
            self.go_on_receiving(connection);
        } else {
            self.on_input(connection, rest);
        }
    }
}
