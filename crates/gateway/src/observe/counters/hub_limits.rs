//! Every limit of a hub, once: a table of docs/limits.md comes from here.

use super::labels::HubLimit;
use super::limit_rows::{self, Bound, Row, row};
use crate::settings::{Declared, declared, hub_declared};

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
            bound: Bound::Fixed("1024 characters"),
            answer: "400 where a token has it; 500 where a service gives it, which counts as a failed event",
        },
    }
}

/// The settings of a hub's table, and those of all hubs.
fn settings() -> Vec<Declared> {
    hub_declared().into_iter().chain(declared()).collect()
}

/// The table of docs/limits.md, in Markdown.
#[must_use]
pub fn markdown_table() -> String {
    limit_rows::markdown_table(HubLimit::ALL.iter().map(|limit| (limit.label(), of(*limit))), &settings())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::limit_rows::declaration;

    #[test]
    fn every_limit_of_a_hub_has_a_setting_or_is_fixed() {
        let settings = settings();
        for limit in HubLimit::ALL {
            match of(*limit).bound {
                Bound::Setting(setting) => {
                    assert!(declaration(setting, &settings).is_some(), "{limit:?}: {setting} is no setting");
                }
                Bound::Fixed(fixed) => assert!(!fixed.is_empty(), "{limit:?}"),
            }
        }
    }
}
