//! Requests that ask for no WebSocket: health checks are answered here, others by whoever takes them, and where nobody
//! does they hear what is wrong with them.

use std::os::fd::OwnedFd;

use holdfast_proto::HandshakeError;
use holdfast_proto::handshake::PlainRequest;
use holdfast_ring::Driver;

use super::record::{HandedOff, Stage};
use super::refusal::Refusal;
use crate::application::Application;
use crate::counters::HandshakeOutcome;
use crate::handle::{HandedRequest, Report};
use crate::shard::Shard;

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

    pub(super) fn on_plain(&mut self, key: usize, plain: Plain, input: &[u8]) {
        match plain {
            Plain::Health { is_head } => self.answer_health(key, is_head),
            Plain::HandOff => self.hand_off(key, input),
            Plain::Refuse(why) => self.refuse_head(key, why),
        }
    }

    /// Gives a request to the control side, with its connection. No receive is in flight: its bytes have just come.
    fn hand_off(&mut self, key: usize, input: &[u8]) {
        let Some(permit) = self.core.handle.inbox().claim_request() else {
            let Refusal { status, text } = Refusal::BUSY;
            return self.refuse(key, status, text);
        };
        let origin = std::mem::take(&mut self.core.handshakes[key].origin);
        self.end_handshake(key, HandshakeOutcome::Handed, None);
        let handed_off = HandedOff { bytes: input.to_vec(), origin, permit };
        self.core.handshakes[key].stage = Stage::HandedOff(Box::new(handed_off));
        self.driver.release(self.token_of(key));
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
                let HandedOff { mut bytes, origin, permit } = *handed_off;
                bytes.extend_from_slice(unread);
                let request = HandedRequest { descriptor, bytes, origin, permit };
                self.core.handle.inbox().put(Report::Request(request));
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
