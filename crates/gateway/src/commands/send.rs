//! `holdfast send`: a message to clients, over REST.

use std::ffi::OsString;
use std::io::Read;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use holdfast_webpubsub::RESERVED;
use percent_encoding::utf8_percent_encode;

use super::access::{Access, ca, ca_arg};
use super::error::CommandError;
use super::post::{Message, post};
use super::sign::rest_token;
use crate::services::now_s;

pub(super) const NAME: &str = "send";

const TEXT: &str = "text";
const JSON: &str = "json";
const BINARY: &str = "binary";
/// To whom, and what of the path says so.
const TO: [(&str, &str, &str, &str); 3] = [
    ("group", "groups", "NAME", "To the members of this group"),
    ("user", "users", "ID", "To all connections of this user"),
    ("connection", "connections", "ID", "To this connection"),
];
/// Largest message that may be set to be taken (`message-bytes-max`).
const BYTES_MAX: u64 = 256 << 20;
/// How long the token of the request is good.
const SECONDS: u64 = 300;

pub(super) fn command() -> Command {
    let to = TO.map(|(name, _, value, help)| Arg::new(name).long(name).value_name(value).help(help));
    let flag = |name, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new(NAME)
        .about("Send a message to the clients of a hub: to all, or to a group, a user or a connection")
        .args(Access::args())
        .arg(ca_arg())
        .args(to)
        .group(ArgGroup::new("to").args(TO.map(|(name, ..)| name)))
        .arg(flag(JSON, "The message is JSON"))
        .arg(flag(BINARY, "The message is bytes, not text"))
        .group(ArgGroup::new("kind").args([JSON, BINARY]))
        .arg(
            Arg::new(TEXT)
                .value_name("TEXT|-")
                .required(true)
                .allow_hyphen_values(true)
                .help("The message; - takes it from standard input"),
        )
}

pub(super) fn run(
    matches: &ArgMatches,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<String, CommandError> {
    let access = Access::read(matches, env)?;
    let body = body(matches.get_one::<String>(TEXT).map_or("", String::as_str))?;
    let content_type = content_type(matches, &body)?;
    let url = format!("{}{}", access.endpoint, target(&access.hub, matches));
    let now = now_s();
    let token = rest_token(&access.key, &url, now, now + SECONDS)?;
    post(Message { url: &url, token: &token, content_type, body, ca: ca(matches) })?;
    Ok(String::new())
}

fn body(text: &str) -> Result<Vec<u8>, CommandError> {
    if text != "-" {
        return Ok(text.as_bytes().to_vec());
    }
    let mut body = Vec::new();
    let read = std::io::stdin().lock().take(BYTES_MAX + 1).read_to_end(&mut body);
    read.map_err(|error| {
        CommandError::failed(format!("cannot read the message from standard input: {error}"))
    })?;
    if body.len() as u64 > BYTES_MAX {
        return Err(CommandError::usage(
            "the message on standard input is longer than 256 MiB: no gateway takes that",
        ));
    }
    Ok(body)
}

fn content_type(matches: &ArgMatches, body: &[u8]) -> Result<&'static str, CommandError> {
    if matches.get_flag(BINARY) {
        return Ok("application/octet-stream");
    }
    if matches.get_flag(JSON) {
        let checked = serde_json::from_slice::<serde::de::IgnoredAny>(body);
        checked.map_err(|error| CommandError::usage(format!("the message is no JSON: {error}")))?;
        return Ok("application/json");
    }
    std::str::from_utf8(body)
        .map_err(|_| CommandError::usage("the message is no UTF-8: use --binary to send it as it is"))?;
    Ok("text/plain; charset=utf-8")
}

/// Path and query of the request.
fn target(hub: &str, matches: &ArgMatches) -> String {
    let to = TO.iter().find_map(|(name, part, ..)| {
        let whom = matches.get_one::<String>(name)?;
        Some(format!("{part}/{}/", utf8_percent_encode(whom, RESERVED)))
    });
    let (hub, to) = (utf8_percent_encode(hub, RESERVED), to.unwrap_or_default());
    format!("/api/hubs/{hub}/{to}:send?api-version=2024-12-01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parsed(args: &[&str]) -> ArgMatches {
        let args = [&["send", "--hub", "chat"], args].concat();
        command().try_get_matches_from(args).expect("a command")
    }

    #[test]
    fn the_path_says_to_whom() {
        for (args, path) in [
            (&["a"][..], "/api/hubs/chat/:send"),
            (&["--group", "a b/ü?#", "a"], "/api/hubs/chat/groups/a%20b%2F%C3%BC%3F%23/:send"),
            (&["--user", "ann", "a"], "/api/hubs/chat/users/ann/:send"),
            (&["--connection", "0f", "a"], "/api/hubs/chat/connections/0f/:send"),
        ] {
            assert_eq!(target("chat", &parsed(args)), format!("{path}?api-version=2024-12-01"));
        }
        let two = ["send", "--hub", "chat", "--group", "a", "--user", "b", "c"];
        assert!(command().try_get_matches_from(two).is_err(), "only to one of them");
    }

    #[test]
    fn a_message_is_what_it_is_said_to_be() {
        let kind = |args: &[&str], body: &[u8]| content_type(&parsed(&[args, &["x"]].concat()), body);
        assert_eq!(kind(&[], b"a"), Ok("text/plain; charset=utf-8"));
        assert_eq!(kind(&["--json"], b" {\"a\":[1]} "), Ok("application/json"));
        assert_eq!(kind(&["--binary"], &[0xff]), Ok("application/octet-stream"));
        let refused = |args: &[&str], body: &[u8]| kind(args, body).expect_err("refused").to_string();
        assert_eq!(refused(&[], &[0xff]), "the message is no UTF-8: use --binary to send it as it is");
        assert!(refused(&["--json"], b"a").starts_with("the message is no JSON: "));
        let both = ["send", "--hub", "chat", "--json", "--binary", "x"];
        assert!(command().try_get_matches_from(both).is_err(), "only one of them");
    }
}
