//! What the target of a client's opening handshake says.

use std::fmt;

use crate::names::{is_group, is_hub};
use crate::query::{Query, path_parts, split_target};

/// What becomes of the messages of a client without a subprotocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each is the event `message`.
    SendEvent,
    /// Each is published.
    SendToGroup {
        /// To this group, which has a valid name.
        group: String,
        /// Whether the sender is left out.
        no_echo: bool,
    },
}

/// A reliable client that was connected before.
#[derive(Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The id of its connection.
    pub connection_id: String,
    /// What shows that it is its.
    pub token: String,
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovery").field("connection_id", &self.connection_id).finish_non_exhaustive()
    }
}

/// What the target of a client's opening handshake says.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientTarget {
    /// The hub, as it was written. That there is one is not known here.
    pub hub: String,
    /// The client's token, if it is here: it may be in the Authorization header instead.
    pub access_token: Option<String>,
    /// For clients without a subprotocol.
    pub mode: Mode,
    /// Set where the client wants its old connection back, whatever else is there.
    pub recovery: Option<Recovery>,
    /// All pairs of the query, decoded, but those with tokens. For the connect event.
    pub query: Vec<(String, String)>,
}

impl fmt::Debug for ClientTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTarget")
            .field("hub", &self.hub)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// Why a target is not one of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientTargetError {
    /// The path is another: 404.
    Elsewhere,
    /// The path is a client's, and the rest is wrong: 400, with a sentence about it.
    Bad(&'static str),
}

/// Reads `/client/hubs/{hub}` or `/client/?hub={hub}`, with its query.
///
/// Parameters that matter here are compared by the case of their names; those with tokens are kept out of
/// [`query`](ClientTarget::query) in any case.
///
/// # Errors
/// When it is neither, or something in it is not what it must be.
pub fn parse_target(target: &str) -> Result<ClientTarget, ClientTargetError> {
    use ClientTargetError::{Bad, Elsewhere};
    let (path, query) = split_target(target).ok_or(Elsewhere)?;
    let parts = path_parts(path).ok_or(Elsewhere)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let in_query = match parts[..] {
        ["client", "hubs", _] => false,
        ["client"] | ["client", ""] => true,
        _ => return Err(Elsewhere),
    };
    let Query(mut query) = Query::read(query).ok_or(Bad("the query is not percent-encoded UTF-8"))?;
    let hub = if in_query { take(&query, "hub").unwrap_or_default() } else { parts[2].to_owned() };
    if !is_hub(&hub) {
        return Err(Bad("this is no name of a hub"));
    }
    let mode = mode(&query)?;
    let recovery = match (take(&query, "awps_connection_id"), take(&query, "awps_reconnection_token")) {
        (Some(connection_id), Some(token)) => Some(Recovery { connection_id, token }),
        _ => None,
    };
    let access_token = take(&query, "access_token");
    let is_token = |name: &str| {
        name.eq_ignore_ascii_case("access_token") || name.eq_ignore_ascii_case("awps_reconnection_token")
    };
    query.retain(|(name, _)| !(is_token(name) || in_query && name == "hub"));
    Ok(ClientTarget { hub, access_token, mode, recovery, query })
}

/// The first value with this name that is not empty.
fn take(query: &[(String, String)], name: &str) -> Option<String> {
    let found = query.iter().find(|(own, value)| own == name && !value.is_empty());
    found.map(|(_, value)| value.clone())
}

fn mode(query: &[(String, String)]) -> Result<Mode, ClientTargetError> {
    let mode = take(query, "webpubsub_mode").unwrap_or_default();
    if mode.is_empty() || mode.eq_ignore_ascii_case("sendEvent") {
        return Ok(Mode::SendEvent);
    }
    if !mode.eq_ignore_ascii_case("sendToGroup") {
        return Err(ClientTargetError::Bad("webpubsub_mode is neither sendEvent nor sendToGroup"));
    }
    let group = take(query, "group").filter(|group| is_group(group));
    let group =
        group.ok_or(ClientTargetError::Bad("webpubsub_mode=sendToGroup needs the name of a group"))?;
    let no_echo = take(query, "noEcho").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    Ok(Mode::SendToGroup { group, no_echo })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hub_is_in_the_path_or_in_the_query() {
        for target in [
            "/client/hubs/chat?access_token=a.b.c&mark=1&mark=%C3%BC+x",
            "/client/?hub=chat&access_token=a.b.c&mark=1&mark=%C3%BC%20x",
            "/client?mark=1&hub=chat&access_token=a.b.c&mark=%C3%BC+x",
            "http://host/client/hubs/chat?access_token=a.b.c&mark=1&mark=%C3%BC+x",
        ] {
            let found = parse_target(target).unwrap();
            assert_eq!(
                (found.hub.as_str(), found.access_token.as_deref()),
                ("chat", Some("a.b.c")),
                "{target}"
            );
            assert_eq!((found.mode, found.recovery), (Mode::SendEvent, None));
            let pairs =
                [("mark", "1"), ("mark", "ü x")].map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(found.query, pairs, "{target}");
        }
        assert_eq!(parse_target("/client/hubs/chat?hub=x").unwrap().query, [("hub".into(), "x".into())]);
    }

    #[test]
    fn other_paths_are_for_others_and_bad_queries_are_said() {
        use ClientTargetError::{Bad, Elsewhere};
        for target in [
            "/",
            "/clients/hubs/a",
            "/client/hubs",
            "/client/hubs/a/b",
            "/client/hub/a",
            "/Client/hubs/a",
            "*",
        ] {
            assert_eq!(parse_target(target), Err(Elsewhere), "{target}");
        }
        for target in [
            "/client/",
            "/client/?hub=",
            "/client/hubs/",
            "/client/hubs/1",
            "/client/hubs/a%2Fb",
            "/client/hubs/a?b=%ff",
            "/client/hubs/a?webpubsub_mode=other",
            "/client/hubs/a?webpubsub_mode=sendToGroup",
            "/client/hubs/a?webpubsub_mode=sendToGroup&group=%20",
        ] {
            assert!(matches!(parse_target(target), Err(Bad(_))), "{target}");
        }
    }

    #[test]
    fn a_mode_is_read_in_any_case() {
        let mode = |query: &str| parse_target(&format!("/client/hubs/a?{query}")).unwrap().mode;
        let to_group = |no_echo| Mode::SendToGroup { group: "g h".into(), no_echo };
        assert_eq!(mode("webpubsub_mode=SENDTOGROUP&group=g+h"), to_group(false));
        assert_eq!(mode("webpubsub_mode=sendToGroup&group=g%20h&noEcho=True"), to_group(true));
        assert_eq!(mode("webpubsub_mode=sendToGroup&group=g%20h&noEcho=1"), to_group(false));
        assert_eq!(mode("webpubsub_mode=sendevent&group=g"), Mode::SendEvent);
    }

    #[test]
    fn a_recovery_has_both_of_its_parts() {
        let recovery = |query: &str| parse_target(&format!("/client/hubs/a?{query}")).unwrap().recovery;
        let found = recovery("access_token=t&awps_connection_id=1&awps_reconnection_token=2").unwrap();
        assert_eq!((found.connection_id.as_str(), found.token.as_str()), ("1", "2"));
        for query in [
            "awps_connection_id=1",
            "awps_connection_id=1&awps_reconnection_token=",
            "awps_reconnection_token=2",
        ] {
            assert_eq!(recovery(query), None, "{query}");
        }
    }

    #[test]
    fn tokens_are_not_passed_on_and_not_shown() {
        let target = "/client/hubs/a?access_token=secret&Access_Token=secret&awps_connection_id=1\
                      &awps_reconnection_token=secret&access_token=secret";
        let found = parse_target(target).unwrap();
        assert_eq!(found.query.len(), 1);
        assert!(!format!("{found:?} {:?}", found.recovery).contains("secret"));
    }

    proptest! {
        #[test]
        fn any_target_is_read_or_refused_without_a_panic(target in "\\PC*", rest in "[a-z/%0-9A-F?&=_+]*") {
            let _ = parse_target(&target);
            let _ = parse_target(&format!("/client/{rest}"));
            let _ = parse_target(&format!("/client/hubs/a?webpubsub_mode=sendToGroup&group={rest}"));
        }
    }
}
