//! Requests that ask for no WebSocket: health checks are answered here, others by whoever takes them, and where nobody
//! does they hear what is wrong with them.

use std::os::fd::OwnedFd;

use holdfast_proto::HandshakeError;
use holdfast_proto::handshake::{PlainRequest, begun_request_line, parse_request_line};
use holdfast_proto::{HeadStatus, parse_head};
use holdfast_ring::Driver;

use super::record::{Destination, HandedOff, Stage};
use super::refusal::Refusal;
use crate::application::Application;
use crate::counters::HandshakeOutcome;
use crate::handle::{HandedRequest, Origin, Report};
use crate::shard::Shard;

/// Paths below this are nobody's but the control side's.
const REQUESTS: &str = "/api/";

/// What becomes of such a request.
#[derive(Clone, Copy)]
pub(super) enum Plain {
    Health {
        is_head: bool,
    },
    /// It is for the control side.
    HandOff,
    Refuse(HandshakeError),
}

impl<D: Driver, A: Application> Shard<D, A> {
    /// Whose a request is that is no opening handshake, for this reason.
    pub(super) fn sort(&self, request: &PlainRequest<'_>, why: HandshakeError) -> Plain {
        let is_health = self.core.policy.health_path.as_deref() == Some(request.path);
        match request.method {
            "GET" | "HEAD" if is_health => Plain::Health { is_head: request.method == "HEAD" },
            _ if self.application.takes_requests() => Plain::HandOff,
            _ => Plain::Refuse(why),
        }
    }

    /// Whether what has come is for the control side whatever follows it: its request line has another method than
    /// GET, or a path below `/api/`. Their heads may be longer than those of opening handshakes.
    pub(super) fn is_request(&self, input: &[u8]) -> bool {
        if !self.application.takes_requests() {
            return false;
        }
        let is_long = input.len() >= self.core.policy.head.head_bytes_max;
        // One that is longer than the head of an opening handshake may be will not be whole here.
        let begun = || is_long.then(|| begun_request_line(input)).flatten();
        let Some(line) = parse_request_line(input).or_else(begun) else { return false };
        let is_health = self.core.policy.health_path.as_deref() == Some(line.path);
        !is_health && (line.method != "GET" || line.path.starts_with(REQUESTS))
    }

    /// The same, or its whole head shows that it is.
    pub(super) fn turns_out_a_request(&self, input: &[u8]) -> bool {
        self.is_request(input)
            || matches!(
                parse_head(input, &self.core.policy.head),
                Ok(HeadStatus::Plain { request, why, .. }) if matches!(self.sort(&request, why), Plain::HandOff)
            )
    }

    pub(super) fn on_plain(&mut self, key: usize, plain: Plain, input: &[u8]) {
        match plain {
            Plain::Health { is_head } => self.answer_health(key, is_head),
            Plain::HandOff => self.hand_off(key, input),
            Plain::Refuse(why) => self.refuse_head(key, why),
        }
    }

    /// Gives a request to the control side, with its connection. No receive is in flight: its bytes have just come.
    pub(super) fn hand_off(&mut self, key: usize, input: &[u8]) {
        let Some(permit) = self.core.handle.inbox().claim_request() else {
            let Refusal { status, text } = Refusal::BUSY;
            return self.refuse(key, status, text);
        };
        // It is no connection, and counts as none: an upgrade that follows does.
        let origin = Origin { permit: None, ..std::mem::take(&mut self.core.handshakes[key].origin) };
        self.end_handshake(key, HandshakeOutcome::Handed, None);
        let handed_off = HandedOff { bytes: input.to_vec(), origin, to: Destination::Control(permit) };
        self.core.handshakes[key].stage = Stage::HandedOff(Box::new(handed_off));
        self.driver.release(self.token_of(key));
    }

    /// The same for one that has no slot here: it was to be turned away, which requests are not.
    pub(super) fn hand_in(&self, descriptor: OwnedFd, bytes: Vec<u8>, mut origin: Origin) {
        let Some(permit) = self.core.handle.inbox().claim_request() else {
            return self.answer_now(&descriptor, &bytes, origin.address, Refusal::BUSY);
        };
        self.core.counters.handshake(HandshakeOutcome::Handed);
        origin.permit = None;
        self.core.handle.inbox().put(Report::Request(HandedRequest { descriptor, bytes, origin, permit }));
    }

    /// The driver has given back the descriptor of one that is handed off; or it has not, and the peer is still here.
    pub(in crate::shard) fn on_handshake_released(
        &mut self,
        key: usize,
        descriptor: rustix::io::Result<OwnedFd>,
        unread: &[u8],
    ) {
        match descriptor {
            Ok(descriptor) => {
                let handshake = self.core.handshakes.remove(key);
                let Stage::HandedOff(handed_off) = handshake.stage else { return };
                let HandedOff { mut bytes, origin, to } = *handed_off;
                bytes.extend_from_slice(unread);
                match to {
                    Destination::Control(permit) => {
                        let request = HandedRequest { descriptor, bytes, origin, permit };
                        self.core.handle.inbox().put(Report::Request(request));
                    }
                    Destination::Shard(shard) => self.send_across(shard, descriptor, bytes, origin),
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a request is answered 503: there is no descriptor to hand it over with");
                let Refusal { status, text } = Refusal::BUSY;
                let answer = self.refusal(status, text);
                self.send_refusal(key, answer.into());
            }
        }
    }
}
