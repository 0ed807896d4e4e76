//! Every limit, once: the table of docs/limits.md comes from here.

use super::labels::Limit;
use crate::settings::{Declared, declared};

/// What a limit bounds, which setting sets it, and what a client gets that exceeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What is bounded.
    pub what: &'static str,
    /// Key of the setting; how it is declared there is its default.
    pub setting: &'static str,
    /// HTTP status, close code, or what else happens.
    pub answer: &'static str,
}

const fn row(what: &'static str, setting: &'static str, answer: &'static str) -> Row {
    Row { what, setting, answer }
}

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
        Limit::SendTime => row("time in which a send makes no progress", "send-timeout", "reset"),
        Limit::CloseTime => row("duration of a closing handshake", "close-timeout", "end of stream"),
    }
}

/// How a setting is declared.
fn declaration(setting: &str) -> Option<Declared> {
    declared().into_iter().find(|declared| declared.key == setting)
}

/// The table of docs/limits.md, in Markdown.
#[must_use]
pub fn markdown_table() -> String {
    let mut table =
        String::from("| limit | what is bounded | setting | default | answer |\n|---|---|---|---|---|\n");
    for limit in Limit::ALL {
        let Row { what, setting, answer } = of(*limit);
        let default = declaration(setting).map_or_else(String::new, |declared| declared.default);
        let default = if default.contains(' ') { default } else { format!("`{default}`") };
        table.push_str(&format!("| `{}` | {what} | `{setting}` | {default} | {answer} |\n", limit.label()));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_setting() {
        for limit in Limit::ALL {
            let Row { setting, .. } = of(*limit);
            assert!(declaration(setting).is_some(), "{limit:?}: {setting} is no setting");
        }
    }
}
