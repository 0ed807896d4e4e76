//! `holdfast check`: whether a gateway would start with these settings.

use std::ffi::OsString;
use std::fmt::Write;

use clap::Command;

use super::error::CommandError;
use crate::echo::Echo;
use crate::settings::{self, Action, Handler, Hub, Settings, UserEvents, load_as};

pub(super) const NAME: &str = "check";

pub(super) fn command() -> Command {
    settings::command_line()
        .name(NAME)
        .about("Check settings without starting a gateway, and say what they make of hubs")
        .disable_version_flag(true)
}

pub(super) fn run(
    words: &[OsString],
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<String, CommandError> {
    let command = command().bin_name("holdfast check");
    match load_as(command, words.iter().cloned(), env, Echo::answers) {
        Ok(Action::Run(settings, _)) => Ok(report(&settings)),
        Ok(Action::Print(text)) => Ok(text),
        Err(error) => Err(CommandError::usage(error.to_string())),
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
    if hub.handlers.is_empty() {
        text.push_str("  no service hears of its events\n");
    }
    for handler in &hub.handlers {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {}: {}", urls(handler), events(handler));
    }
    text
}

fn urls(handler: &Handler) -> String {
    let urls: Vec<_> = handler.settings.url.iter().map(ToString::to_string).collect();
    urls.join(", else ")
}

fn events(handler: &Handler) -> String {
    let system = handler.settings.system_events.iter().map(|event| event.word().to_owned());
    let user = match &handler.settings.user_events {
        UserEvents::All => vec!["all user events".to_owned()],
        UserEvents::Named(names) => names.iter().map(|name| format!("user event {name}")).collect(),
    };
    let all: Vec<_> = system.chain(user).collect();
    if all.is_empty() { "no events".to_owned() } else { all.join(", ") }
}
