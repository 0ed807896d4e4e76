//! Every limit of a hub, once: a table of docs/limits.md comes from here.

use super::labels::HubLimit;
use crate::settings::{Declared, declared, hub_declared};

/// What a limit bounds, which setting sets it, and what happens past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What is bounded.
    pub what: &'static str,
    /// Key of the setting: of the hub's table, or of all hubs. None where it is fixed.
    pub setting: Option<&'static str>,
    /// What it is where it is fixed.
    pub fixed: &'static str,
    /// HTTP status, close code, error of an ack, or what else happens.
    pub answer: &'static str,
}

const fn row(what: &'static str, setting: &'static str, answer: &'static str) -> Row {
    Row { what, setting: Some(setting), fixed: "", answer }
}

const WAITS: &str = "not read from until it is back within it; its acks come as late";

/// The limit's row of the table.
#[must_use]
pub fn of(limit: HubLimit) -> Row {
    match limit {
        HubLimit::UserConnections => row(
            "connections of one user of a hub, all shards",
            "user-connections-max",
            "429 with Retry-After",
        ),
        HubLimit::UserConnectRate => row(
            "opening handshakes per second of one user of a hub, all shards",
            "user-connects-per-second-max",
            "429 with Retry-After",
        ),
        HubLimit::ConnectRate => row(
            "opening handshakes per second of a hub with a good token, all shards",
            "connects-per-second-max",
            "503 with Retry-After",
        ),
        HubLimit::UserPublishRate => row(
            "messages per second that one user's clients publish, all shards",
            "user-publishes-per-second-max",
            WAITS,
        ),
        HubLimit::PublishRate => row(
            "messages per second that a hub's clients publish, all shards",
            "publishes-per-second-max",
            WAITS,
        ),
        HubLimit::EventRate => {
            row("events per second that a hub's clients make, all shards", "events-per-second-max", WAITS)
        }
        HubLimit::GroupsPerConnection => row(
            "groups of one connection",
            "groups-per-connection-max",
            "429; an ack with `BadRequest`; close 1013 for one that is to be in more from the start",
        ),
        HubLimit::Groups => {
            row("groups with members, per shard, all hubs", "groups-max", "as for `groups_per_connection`")
        }
        HubLimit::UserName => Row {
            what: "length of a user's id",
            setting: None,
            fixed: "1024 characters",
            answer: "400 where a token has it; 500 where a service gives it, which counts as a failed event",
        },
    }
}

fn declaration(setting: &str) -> Option<Declared> {
    hub_declared().into_iter().chain(declared()).find(|declared| declared.key == setting)
}

/// The table of docs/limits.md, in Markdown.
#[must_use]
pub fn markdown_table() -> String {
    let mut table =
        String::from("| limit | what is bounded | setting | default | answer |\n|---|---|---|---|---|\n");
    for limit in HubLimit::ALL {
        let Row { what, setting, fixed, answer } = of(*limit);
        let default =
            setting.and_then(declaration).map_or_else(String::new, |it| format!("`{}`", it.default));
        let default = if setting.is_none() { fixed.to_owned() } else { default };
        let setting = setting.map_or_else(String::new, |setting| format!("`{setting}`"));
        table.push_str(&format!("| `{}` | {what} | {setting} | {default} | {answer} |\n", limit.label()));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_of_a_hub_has_a_setting_or_is_fixed() {
        for limit in HubLimit::ALL {
            let Row { setting, fixed, .. } = of(*limit);
            match setting {
                Some(setting) => {
                    assert!(declaration(setting).is_some(), "{limit:?}: {setting} is no setting");
                }
                None => assert!(!fixed.is_empty(), "{limit:?}"),
            }
        }
    }
}
