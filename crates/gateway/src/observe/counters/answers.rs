//! Every limit, once: the table of docs/limits.md comes from here.

use super::labels::Limit;
use super::limit_rows::{self, Bound, Row, row};
use crate::settings::declared;

/// The limit's row of the table.
#[must_use]
pub fn of(limit: Limit) -> Row {
    match limit {
        Limit::Connections => row("connections in all", "connections-max", "503"),
        Limit::ShardConnections => row("connections on one shard", "shard-connections-max", "503"),
        Limit::AddressConnections => {
            row("connections from one client address", "address-connections-max", "429")
        }
        Limit::HandshakeRate => row(
            "opening handshakes per second, all shards",
            "handshakes-per-second-max",
            "503 with Retry-After",
        ),
        Limit::Handshakes => {
            row("opening handshakes in progress, per shard", "handshakes-max", "waits for its turn")
        }
        Limit::HandshakeTime => row("duration of an opening handshake", "handshake-timeout", "408"),
        Limit::HeadBytes => row("length of a request head", "head-bytes-max", "431"),
        Limit::Headers => row("header fields in a request", "headers-max", "431"),
        Limit::FrameBytes => row("payload of a frame", "frame-bytes-max", "close 1009"),
        Limit::MessageBytes => row("payload of a message", "message-bytes-max", "close 1009"),
        Limit::ShardPartialBytes => row(
            "bytes of incomplete messages, per shard",
            "shard-partial-bytes-max",
            "close 1013 for those that hold more than 2 KiB and add to it",
        ),
        Limit::MessageTime => row("time until a message is complete", "message-timeout", "close 1008"),
        Limit::MessageRate => row(
            "frames per second from one connection",
            "messages-per-second-max",
            "not read for a while, or close 1008 (`rate-policy`)",
        ),
        Limit::ByteRate => row(
            "bytes per second from one connection",
            "bytes-per-second-max",
            "not read for a while, or close 1008 (`rate-policy`)",
        ),
        Limit::Pings => row("pings in a row without an answer", "pings-unanswered-max", "close 1001"),
        Limit::Age => row("time since the opening handshake", "connection-age-max", "close 1001"),
        Limit::IdleTime => row("silence of a connection", "idle-timeout", "close 1001"),
        Limit::OutboxBytes => row(
            "bytes waiting for one connection",
            "outbox-bytes-max",
            "close 1013, or its oldest messages are dropped (`slow-policy`)",
        ),
        Limit::ShardOutboxBytes => row(
            "bytes waiting for all connections of a shard",
            "shard-outbox-bytes-max",
            "close 1013, or its oldest messages are dropped (`slow-policy`)",
        ),
        Limit::Unacknowledged => Row {
            what: "what a reliable client has not acknowledged",
            bound: Bound::Fixed("1000 messages, 16 MiB"),
            answer: "close 1008, not to be recovered",
        },
        Limit::ShardUnacknowledgedBytes => row(
            "bytes that reliable clients have not acknowledged, per shard",
            "shard-unacknowledged-bytes-max",
            "close 1008 for those who have most, not to be recovered",
        ),
        Limit::SendTime => row("time in which a send makes no progress", "send-timeout", "reset"),
        Limit::CloseTime => row("duration of a closing handshake", "close-timeout", "end of stream"),
    }
}

/// The table of docs/limits.md, in Markdown.
#[must_use]
pub fn markdown_table() -> String {
    limit_rows::markdown_table(Limit::ALL.iter().map(|limit| (limit.label(), of(*limit))), &declared())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::limit_rows::declaration;

    #[test]
    fn every_limit_has_a_setting_or_is_fixed() {
        let declared = declared();
        for limit in Limit::ALL {
            match of(*limit).bound {
                Bound::Setting(setting) => {
                    assert!(declaration(setting, &declared).is_some(), "{limit:?}: {setting} is no setting");
                }
                Bound::Fixed(fixed) => assert!(!fixed.is_empty(), "{limit:?}"),
            }
        }
    }
}
