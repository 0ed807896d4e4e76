//! Why a peer does not become a connection, and what it hears.

use holdfast_proto::HandshakeError;
use holdfast_proto::forwarded::ForwardedError;

use crate::counters::Limit;
use crate::shard::rules::RuleViolation;

/// The answer to a newcomer that is not to be served.
#[derive(Clone, Copy, Debug)]
pub(in crate::shard) struct Refusal {
    pub(super) status: u16,
    pub(super) text: &'static str,
}

impl Refusal {
    pub(super) const FULL: Self =
        Self { status: 503, text: "all connections are taken, please try again later" };
    /// What a request hears that nobody has time to serve.
    pub(super) const BUSY: Self =
        Self { status: 503, text: "too many requests are being served, please try again later" };
    /// What newcomers hear while the gateway drains.
    pub(super) const GOING_AWAY: Self =
        Self { status: 503, text: "the gateway is going away, please connect again" };

    /// What a newcomer hears that passes a limit.
    pub(super) fn of(limit: Limit) -> Self {
        match limit {
            Limit::AddressConnections => Self { status: 429, text: "too many connections from this address" },
            _ => Self { status: 503, text: "too many connections at once, please try again later" },
        }
    }
}

/// Why a peer is refused before the application is asked.
pub(super) enum Refused {
    Head(HandshakeError),
    Rule(RuleViolation),
    Forwarded(ForwardedError),
    Limit(Limit),
}

impl From<HandshakeError> for Refused {
    fn from(error: HandshakeError) -> Self {
        Self::Head(error)
    }
}

impl From<RuleViolation> for Refused {
    fn from(rule: RuleViolation) -> Self {
        Self::Rule(rule)
    }
}

impl From<ForwardedError> for Refused {
    fn from(error: ForwardedError) -> Self {
        Self::Forwarded(error)
    }
}

impl From<Limit> for Refused {
    fn from(limit: Limit) -> Self {
        Self::Limit(limit)
    }
}

/// The limit that a request passed, if that is what is wrong with it.
pub(super) fn limit_of(error: HandshakeError) -> Option<Limit> {
    match error {
        HandshakeError::HeadTooLong => Some(Limit::HeadBytes),
        HandshakeError::TooManyHeaders => Some(Limit::Headers),
        _ => None,
    }
}
