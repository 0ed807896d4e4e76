//! Tokens of identity providers: they are verified elsewhere, and who shows one waits for that.

use holdfast_webpubsub::event::connect_body;
use holdfast_webpubsub::identity::{ProviderToken, Refused};
use holdfast_webpubsub::token::{Claims, TokenError};

use super::super::identity::Unverified;
use super::super::note::Note;
use super::Front;
use super::pending::{Candidate, Known, Refusal, Waiting};
use crate::admission::{Admission, Verdict};
use crate::counters::TokenOutcome;
use crate::{Context, HandshakeId};

impl Front {
    /// Hands over a token. The handshake's own time is that of the answer.
    pub(super) fn have_verified(
        &mut self,
        context: &mut Context<'_>,
        handshake: HandshakeId,
        token: ProviderToken,
        candidate: Candidate,
    ) -> Result<Admission, Refusal> {
        let hub = &candidate.pending.hub;
        let full = || {
            hub.counts.of_shard(context.shard()).token(TokenOutcome::Full);
            refusal(Unverified::Key(Refused::Full))
        };
        let len = token.text_len() + candidate.body.len() + candidate.pending.len();
        let place = hub.gate.token(len).ok_or_else(full)?;
        let handle = context.handle().clone();
        let answer = move |result| {
            let note = Note::Verified { handshake, result, _place: place };
            // A shard that has ended waits for nobody.
            let _ = handle.tell(handshake.shard, Box::new(note));
        };
        if !candidate.provider.verify(token, handshake, answer) {
            return Err(full());
        }
        let connection = context.reserve();
        self.candidates.insert(handshake, Waiting { candidate, connection });
        Ok(Admission::Later { within: None, id: Some(connection) })
    }

    /// A token was verified: who has shown it goes on as with a token of an access key.
    pub(super) fn on_verified(
        &mut self,
        context: &mut Context<'_>,
        handshake: HandshakeId,
        result: Result<Claims, Unverified>,
    ) {
        let Some(Waiting { candidate, connection }) = self.candidates.remove(&handshake) else { return };
        let Candidate { pending, config, body, .. } = candidate;
        pending.hub.counts.of_shard(context.shard()).token(outcome(&result));
        let admitted = result.map_err(refusal).and_then(|claims| {
            let known = Known { pending, config, claims: Some(claims), reserved: Some(connection) };
            self.admit_known(context, handshake, known, |claims| connect_body(claims, &body))
        });
        let verdict = match admitted {
            Ok(Admission::Now(verdict)) => verdict,
            Ok(Admission::Later { within, .. }) => {
                return within.into_iter().for_each(|within| context.postpone(handshake, within));
            }
            Err((status, reason)) => Verdict::Refuse { status, reason },
        };
        let _ = context.handle().answer(handshake, verdict);
    }

    /// One was connecting whose token was being verified. Whether it was.
    pub(super) fn on_left_unverified(&mut self, context: &Context<'_>, handshake: HandshakeId) -> bool {
        let Some(Waiting { candidate, .. }) = self.candidates.remove(&handshake) else { return false };
        candidate.provider.leave(handshake);
        candidate.pending.hub.counts.of_shard(context.shard()).token(TokenOutcome::Gone);
        true
    }
}

fn refusal(why: Unverified) -> Refusal {
    match why {
        Unverified::Token(error) => (401, error.to_string()),
        Unverified::Key(Refused::Unknown) => (401, TokenError::Key.to_string()),
        Unverified::Key(Refused::Unavailable) => {
            (503, "the keys of the identity provider cannot be had, please try again later".to_owned())
        }
        Unverified::Key(Refused::Full) => {
            (503, "too many tokens are being verified, please try again later".to_owned())
        }
    }
}

fn outcome(result: &Result<Claims, Unverified>) -> TokenOutcome {
    match result {
        Ok(_) => TokenOutcome::Ok,
        Err(Unverified::Token(error)) => outcome_of(*error),
        Err(Unverified::Key(Refused::Unknown)) => TokenOutcome::Key,
        Err(Unverified::Key(Refused::Unavailable)) => TokenOutcome::Unavailable,
        Err(Unverified::Key(Refused::Full)) => TokenOutcome::Full,
    }
}

/// What a token is counted as that is not good.
pub(super) fn outcome_of(error: TokenError) -> TokenOutcome {
    match error {
        TokenError::TooLong
        | TokenError::Malformed
        | TokenError::Algorithm
        | TokenError::ProviderAlgorithm
        | TokenError::Type
        | TokenError::Header => TokenOutcome::Malformed,
        TokenError::Key => TokenOutcome::Key,
        TokenError::Signature => TokenOutcome::Signature,
        TokenError::Claim(_) | TokenError::User | TokenError::Roles | TokenError::Groups => {
            TokenOutcome::Claim
        }
        TokenError::Issuer => TokenOutcome::Issuer,
        TokenError::Audience => TokenOutcome::Audience,
        TokenError::Expired | TokenError::NotYet => TokenOutcome::Time,
    }
}
