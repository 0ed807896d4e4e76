//! The bytes of a request head: collected, judged, and answered by the application.

use std::time::Duration;

use holdfast_proto::{HandshakeError, HeadStatus, parse_head};
use holdfast_ring::{Buffers, Close, Driver, Lent};

use super::plain::Plain;
use super::record::{Deferred, Expects, Handshake, Reading, Stage, Terms};
use super::refusal::{Refused, limit_of};
use crate::HandshakeId;
use crate::admission::{Admission, Opening, Verdict};
use crate::application::Application;
use crate::counters::HandshakeOutcome;
use crate::observe::access_log::Asked;
use crate::shard::policy::Policy;
use crate::shard::{Context, Shard};

/// What has come of a head.
enum Judged {
    NeedMore,
    /// An opening handshake, and what the application says to it.
    Upgrade {
        admission: Admission,
        terms: Terms,
        head_len: usize,
    },
    /// Another request.
    Plain(Plain),
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
        match &mut handshake.stage {
            Stage::Reading(reading) if reading.came.is_empty() => self.read_head(key, &mut buffer),
            Stage::Reading(Reading { expects, came, .. }) => {
                came.extend_from_slice(&buffer);
                let ends_a_line = buffer.contains(&b'\n');
                drop(buffer);
                let is_long = came.len() >= self.core.policy.head.head_bytes_max;
                // Only the end of a line can end the head, or show that it is wrong.
                if ends_a_line || is_long || *expects == Expects::ProxyHeader {
                    let mut came = std::mem::take(came);
                    self.read_head(key, &mut came);
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
            Stage::Deferred(_)
            | Stage::Recovering(_)
            | Stage::HandedOff(_)
            | Stage::Refusing
            | Stage::Released => {}
        }
    }

    /// Looks at all that came of a head so far.
    pub(super) fn read_head(&mut self, key: usize, input: &mut [u8]) {
        if self.core.handshakes[key].expects() == Some(Expects::ProxyHeader) {
            return self.read_proxy_header(key, input);
        }
        if self.core.handshakes[key].refusal().is_some() {
            return self.read_refused_head(key, input);
        }
        if self.is_request(input) {
            return self.hand_off(key, input);
        }
        self.read_whole_head(key, input);
    }

    /// The same for what is no request for somebody else, and no more than was to be refused whatever it is.
    pub(super) fn read_whole_head(&mut self, key: usize, input: &mut [u8]) {
        match self.judge(key, input) {
            Ok(Judged::NeedMore) => self.read_on(key, input),
            Ok(Judged::Plain(plain)) => self.on_plain(key, plain, input),
            Ok(Judged::Upgrade { admission: Admission::Now(Verdict::Recover { id, .. }), .. })
                if id.shard != self.core.shard =>
            {
                self.hand_across(key, id.shard, input);
            }
            Ok(Judged::Upgrade { admission: Admission::Now(verdict), terms, head_len }) => {
                self.answer(key, verdict, terms, &mut input[head_len..]);
            }
            Ok(Judged::Upgrade { admission: Admission::Later { .. }, .. })
                if self.core.handshakes[key].refusal().is_some() =>
            {
                self.refuse_early(key);
            }
            Ok(Judged::Upgrade { admission: Admission::Later { within, id }, terms, head_len }) => {
                let deferred = Deferred { terms, rest: input[head_len..].to_vec(), reserved: id };
                self.defer(key, deferred, within);
            }
            Err(Refused::Rule(rule)) => self.refuse_as(key, rule.outcome(), rule.status(), rule.text()),
            Err(Refused::Forwarded(error)) => {
                tracing::debug!(%error, "a trusted proxy does not say for whom it sends a request");
                self.refuse_as(key, HandshakeOutcome::Forwarded, 400, &error.to_string());
            }
            Err(Refused::Limit(limit)) => self.refuse_for(key, limit),
            Err(Refused::Head(error)) => self.refuse_head(key, error),
        }
    }

    /// Refuses what is no opening handshake, or not a good one.
    pub(super) fn refuse_head(&mut self, key: usize, error: HandshakeError) {
        if let Some(limit) = limit_of(error) {
            self.core.counters.limit(limit);
        }
        self.refuse(key, error.status(), &error.to_string());
    }

    /// Keeps what came of a head so far, and asks for more.
    pub(super) fn read_on(&mut self, key: usize, input: &[u8]) {
        if let Stage::Reading(reading) = &mut self.core.handshakes[key].stage {
            reading.came = input.to_vec();
        }
        self.receive_head(key);
    }

    /// Parses a head and asks the application.
    fn judge(&mut self, key: usize, input: &[u8]) -> Result<Judged, Refused> {
        let (request, head_len) = match parse_head(input, &self.core.policy.head)? {
            HeadStatus::NeedMore => return Ok(Judged::NeedMore),
            HeadStatus::Plain { request, why, .. } => return Ok(Judged::Plain(self.sort(&request, why))),
            HeadStatus::Upgrade { request, head_len } => (request, head_len),
        };
        if let Some(asked) = &mut self.core.handshakes[key].asked {
            **asked = Asked::new(request.path(), request.origin());
        }
        self.ask_whom_for(key, &request)?;
        self.count_opening(key, &request)?;
        let id = self.handshake_id(key);
        let subprotocol = self.core.policy.rules.judge(&request)?;
        let chosen = subprotocol.and_then(|index| self.core.policy.rules.offered(index, &request));
        let address = self.core.handshakes[key].origin.address;
        let opening = Opening { id, request: &request, subprotocol: chosen, address };
        let admission = self.application.open(&mut Context::new(&mut self.core), &opening);
        let deflate = self.core.policy.deflate.negotiate(&request);
        let terms = Terms { key: request.accept_key(), deflate, subprotocol };
        Ok(Judged::Upgrade { admission, terms, head_len })
    }

    /// Waits for the application, for as long as it has asked for. It needs no slot of those that read requests.
    fn defer(&mut self, key: usize, deferred: Deferred, within: Option<Duration>) {
        self.leave_opening(key);
        self.deferred_handshakes += 1;
        let deadline = within.map(|within| self.core.clock.second_after(within));
        let handshake = &mut self.core.handshakes[key];
        handshake.stage = Stage::Deferred(Box::new(deferred));
        handshake.deadline = deadline.unwrap_or(handshake.deadline);
    }

    /// The application's answer to an opening handshake that was put off.
    pub(in crate::shard) fn on_answer(&mut self, id: HandshakeId, verdict: Verdict) {
        let key = id.key as usize;
        let handshake = self.core.handshakes.get_mut(key).filter(|it| it.generation == id.generation);
        // It may have been answered before, or have ended.
        let Some(Handshake { stage: Stage::Deferred(deferred), .. }) = handshake else { return };
        let Deferred { terms, rest, .. } = &mut **deferred;
        let (terms, mut rest) = (*terms, std::mem::take(rest));
        let verdict = match verdict {
            // It has a place for a connection of its own already: the application's mistake.
            Verdict::Recover { .. } => {
                Verdict::Refuse { status: 500, reason: "cannot be recovered so late".into() }
            }
            verdict => verdict,
        };
        self.answer(key, verdict, terms, &mut rest);
    }

    fn answer(&mut self, key: usize, verdict: Verdict, terms: Terms, rest: &mut [u8]) {
        match verdict {
            // There is no place for it, whatever the application thinks.
            Verdict::Accept { .. } if self.core.handshakes[key].refusal().is_some() => self.refuse_early(key),
            Verdict::Accept { subprotocol } => self.accept(key, terms, subprotocol.as_deref(), rest),
            Verdict::Recover { id, subprotocol } => self.recover(key, terms, id, subprotocol, rest),
            Verdict::Close { subprotocol, code, reason } => {
                self.close_at_once(key, &terms, subprotocol.as_deref(), code, &reason);
            }
            Verdict::Refuse { status, reason } => {
                // Anything else would not be a refusal: the application's mistake, not the peer's.
                let status = if (400..600).contains(&status) { status } else { 500 };
                self.refuse(key, status, &reason);
            }
        }
    }
}
