//! `holdfast check`: whether a gateway would start with these settings.

use std::ffi::OsString;
use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use super::error::CommandError;
use super::runtime::block_on;
use crate::echo::Echo;
use crate::services::{Reached, look, reach};
use crate::settings::{
    self, Action, Cluster, Handler, Hub, Settings, SystemEvent, UpstreamUrl, UserEvents, load_as,
};

pub(super) const NAME: &str = "check";
const OFFLINE: &str = "offline";

pub(super) fn command() -> Command {
    settings::command_line()
        .name(NAME)
        .about(
            "Check settings without starting a gateway, and whether services of hubs and NATS can be reached",
        )
        .disable_version_flag(true)
        .arg(Arg::new(OFFLINE).long(OFFLINE).action(ArgAction::SetTrue).help("Ask neither services nor NATS"))
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
            let (reached, bus) = if is_offline { (Vec::new(), None) } else { ask(&settings)? };
            conclude(report(&settings), &reached, bus.as_ref())
        }
        Ok(Action::Print(text)) => Ok(text),
        Err(error) => Err(CommandError::usage(error.to_string())),
    }
}

/// What NATS has said: that it lets in, or what is wrong.
type Bus = (String, Result<String, String>);

fn ask(settings: &Settings) -> Result<(Vec<Reached>, Option<Bus>), CommandError> {
    let (reached, bus) = block_on(async { (reach(settings).await, look(settings).await) })?;
    let reached = reached.map_err(|error| CommandError::usage(error.to_string()))?;
    Ok((reached, settings.cluster().map(|cluster| cluster.name).zip(bus)))
}

/// What was found, which is an error where a service does not want events, keys cannot be had, or NATS lets nobody in.
fn conclude(mut text: String, reached: &[Reached], bus: Option<&Bus>) -> Result<String, CommandError> {
    for Reached { hub, address, outcome } in reached {
        let (Ok(outcome) | Err(outcome)) = outcome;
        // Writing to a string does not fail.
        let _ = writeln!(text, "hub {hub}: {address}: {outcome}");
    }
    if let Some((cluster, Ok(outcome) | Err(outcome))) = bus {
        let _ = writeln!(text, "cluster {cluster}: {outcome}");
    }
    if reached.iter().all(|it| it.outcome.is_ok()) && bus.is_none_or(|(_, outcome)| outcome.is_ok()) {
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
    if let Some(cluster) = settings.cluster() {
        text.push_str(&of_cluster(&cluster));
    }
    text
}

fn of_cluster(cluster: &Cluster) -> String {
    let credentials = match (&cluster.credentials, &cluster.certificate) {
        (None, None) => "without credentials".to_owned(),
        (Some(file), None) => format!("with the credentials in {}", file.display()),
        (None, Some((file, _))) => format!("with the certificate in {}", file.display()),
        (Some(file), Some((certificate, _))) => {
            format!(
                "with the credentials in {} and the certificate in {}",
                file.display(),
                certificate.display()
            )
        }
    };
    format!("a node of cluster {}\n  {} {credentials}\n", cluster.name, cluster.urls.join(", else "))
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
