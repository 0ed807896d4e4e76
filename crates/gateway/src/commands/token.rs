//! `holdfast token`: the URL of a client, to paste.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use holdfast_webpubsub::RESERVED;
use percent_encoding::utf8_percent_encode;

use super::access::Access;
use super::error::CommandError;
use super::sign::{ClientToken, client_token};
use crate::services::now_s;

pub(super) const NAME: &str = "token";

const USER: &str = "user";
const ROLE: &str = "role";
const GROUP: &str = "group";
const MINUTES: &str = "minutes";
/// A year.
const MINUTES_MAX: u64 = 365 * 24 * 60;

pub(super) fn command() -> Command {
    let role_help = "What the client may do: sendToGroup, joinLeaveGroup, or one of them for one group, such as \
                     sendToGroup.room1; repeat it for more";
    Command::new(NAME)
        .about("Print a URL with which a client may connect, as a token in it says")
        .args(Access::args())
        .arg(Arg::new(USER).long(USER).value_name("ID").help("The user that the client is"))
        .arg(Arg::new(ROLE).long(ROLE).value_name("ROLE").action(ArgAction::Append).help(role_help))
        .arg(
            Arg::new(GROUP)
                .long(GROUP)
                .value_name("NAME")
                .action(ArgAction::Append)
                .help("A group that the client is in from the start; repeat it for more"),
        )
        .arg(
            Arg::new(MINUTES)
                .long(MINUTES)
                .value_name("N")
                .default_value("60")
                .value_parser(value_parser!(u64).range(1..=MINUTES_MAX))
                .help("How long the client may use it to connect"),
        )
}

pub(super) fn run(
    matches: &ArgMatches,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<String, CommandError> {
    let access = Access::read(matches, env)?;
    let many = |name| matches.get_many::<String>(name).into_iter().flatten().cloned().collect::<Vec<_>>();
    let (roles, groups): (Vec<_>, _) = (many(ROLE).into_iter().map(role).collect(), many(GROUP));
    let minutes = matches.get_one::<u64>(MINUTES).copied().unwrap_or(60);
    let issued_s = now_s();
    let claims = ClientToken {
        audience: &format!("{}/client/hubs/{}", access.endpoint, access.hub),
        user: matches.get_one::<String>(USER).map(String::as_str),
        roles: &roles,
        groups: &groups,
        issued_s,
        expires_s: issued_s + 60 * minutes,
    };
    let token = client_token(&access.key, &claims)?;
    Ok(format!("{}\n", client_url(&access.endpoint, &access.hub, &token)))
}

/// The role as tokens have it: `sendToGroup` stands for `webpubsub.sendToGroup`.
fn role(text: String) -> String {
    let is_short = ["sendToGroup", "joinLeaveGroup"].iter().any(|start| text.starts_with(start));
    if is_short { format!("webpubsub.{text}") } else { text }
}

/// `ws` for `http`, `wss` for `https`.
fn client_url(endpoint: &str, hub: &str, token: &str) -> String {
    let endpoint = endpoint.strip_prefix("http").unwrap_or(endpoint);
    format!("ws{endpoint}/client/hubs/{}?access_token={token}", utf8_percent_encode(hub, RESERVED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_comes_by_websocket_to_where_the_gateway_is() {
        let url = client_url("http://127.0.0.1:8085", "chat", "a.b.c");
        assert_eq!(url, "ws://127.0.0.1:8085/client/hubs/chat?access_token=a.b.c");
        let url = client_url("https://chat.example.com", "a[`].", "t");
        assert_eq!(url, "wss://chat.example.com/client/hubs/a%5B%60%5D.?access_token=t");
    }

    #[test]
    fn a_role_may_be_written_without_where_it_comes_from() {
        for (text, whole) in [
            ("sendToGroup", "webpubsub.sendToGroup"),
            ("sendToGroups.a*", "webpubsub.sendToGroups.a*"),
            ("joinLeaveGroup.room1", "webpubsub.joinLeaveGroup.room1"),
            ("webpubsub.sendToGroup.room1", "webpubsub.sendToGroup.room1"),
            ("other", "other"),
        ] {
            assert_eq!(role(text.to_owned()), whole);
        }
    }
}
