//! `holdfast check`: whether a gateway would start with these settings.

use std::ffi::OsString;
use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use super::error::CommandError;
use super::runtime::block_on;
use crate::echo::Echo;
use crate::services::{Reached, reach};
use crate::settings::{self, Action, Handler, Hub, Settings, SystemEvent, UpstreamUrl, UserEvents, load_as};

pub(super) const NAME: &str = "check";
const OFFLINE: &str = "offline";

pub(super) fn command() -> Command {
    settings::command_line()
        .name(NAME)
        .about("Check settings without starting a gateway, and whether the services of hubs can be reached")
        .disable_version_flag(true)
        .arg(Arg::new(OFFLINE).long(OFFLINE).action(ArgAction::SetTrue).help("Do not ask the services"))
}

pub(super) fn run(
    words: &[OsString],
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<String, CommandError> {
    let command = command().bin_name("holdfast check");
    let given = command.clone().try_get_matches_from(words);
    let is_offline = given.is_ok_and(|matches| matches.get_flag(OFFLINE));
    match load_as(command, words.iter().cloned(), env, Echo::answers) {
        Ok(Action::Run(settings, _)) => {
            let reached = if is_offline { Vec::new() } else { ask_services(&settings)? };
            conclude(report(&settings), &reached)
        }
        Ok(Action::Print(text)) => Ok(text),
        Err(error) => Err(CommandError::usage(error.to_string())),
    }
}

fn ask_services(settings: &Settings) -> Result<Vec<Reached>, CommandError> {
    let reached = block_on(reach(settings))?;
    reached.map_err(|error| CommandError::usage(error.to_string()))
}

/// What was found, which is an error where a service does not want events, or keys cannot be had.
fn conclude(mut text: String, reached: &[Reached]) -> Result<String, CommandError> {
    for Reached { hub, address, outcome } in reached {
        let (Ok(outcome) | Err(outcome)) = outcome;
        // Writing to a string does not fail.
        let _ = writeln!(text, "hub {hub}: {address}: {outcome}");
    }
    if reached.iter().all(|it| it.outcome.is_ok()) {
        Ok(text)
    } else {
        Err(CommandError::failed(text.trim_end()))
    }
}

fn report(settings: &Settings) -> String {
    let mut text = String::from("the settings are valid\n");
    if settings.hubs.is_empty() {
        text.push_str("no hub: messages are echoed\n");
    }
    for hub in &settings.hubs {
        text.push_str(&of_hub(hub));
    }
    text
}

fn of_hub(hub: &Hub) -> String {
    let keys = match hub.keys.len() {
        0 => "no access key",
        1 => "one access key",
        _ => "two access keys",
    };
    let anonymous = if hub.settings.anonymous { ", anonymous clients" } else { "" };
    let mut text = format!("hub {}: {keys}{anonymous}\n", hub.name);
    if let Some(identity) = &hub.settings.identity {
        let _ = writeln!(text, "  tokens of {}, by its keys in {}", identity.issuer, identity.keys);
    }
    if hub.handlers.is_empty() {
        text.push_str("  no service hears of its events\n");
    }
    for Handler { settings, .. } in &hub.handlers {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "  {}: {}",
            urls(&settings.url),
            events(&settings.system_events, &settings.user_events)
        );
    }
    for listener in &hub.listeners {
        let what = events(&listener.system_events, &listener.user_events);
        let _ = writeln!(text, "  listener {}: {what}", urls(&listener.url));
    }
    text
}

fn urls(urls: &[UpstreamUrl]) -> String {
    let urls: Vec<_> = urls.iter().map(ToString::to_string).collect();
    urls.join(", else ")
}

fn events(system: &[SystemEvent], user: &UserEvents) -> String {
    let system = system.iter().map(|event| event.word().to_owned());
    let user = match user {
        UserEvents::All => vec!["all user events".to_owned()],
        UserEvents::Named(names) => names.iter().map(|name| format!("user event {name}")).collect(),
    };
    let all: Vec<_> = system.chain(user).collect();
    if all.is_empty() { "no events".to_owned() } else { all.join(", ") }
}
