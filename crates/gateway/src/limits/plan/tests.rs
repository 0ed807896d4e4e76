use std::time::Duration;

use super::*;
use crate::settings::declared;

fn two_shards() -> Settings {
    Settings { shards: 2, ..Settings::default() }
}

/// All that a plan gives away.
fn sum(plan: &Plan) -> u64 {
    plan.parts().iter().map(|(_, bytes)| bytes).sum()
}

#[test]
fn every_part_has_a_name_of_its_own_a_setting_and_a_metric() {
    let metrics: Vec<_> = crate::metrics::TABLE.iter().map(|family| family.name).collect();
    for part in PARTS {
        assert!(declared().iter().any(|declared| declared.key == part.setting), "{part:?}");
        assert!(metrics.contains(&part.gauge.split('{').next().unwrap_or_default()), "{part:?}");
        assert_eq!(PARTS.iter().filter(|other| other.name == part.name).count(), 1, "{part:?}");
    }
}

#[test]
fn a_plan_never_gives_away_more_than_there_is() {
    for mib in [64, 96, 128, 256, 512, 1024, 24 << 10, 1 << 20] {
        let plan = Plan::new(mib * MIB, &two_shards());
        assert!(sum(&plan) <= plan.total, "{plan:?}");
        assert_eq!(plan.shortage(), None);
        assert!(plan.connections >= plan.total / 4, "{plan:?}");
    }
}

#[test]
fn what_is_unassigned_is_left() {
    let plan = Plan::new(24 << 30, &two_shards());
    let left = plan.total - sum(&plan);
    assert!(left >= (plan.total - plan.base) / WHOLE * UNASSIGNED, "{plan:?}");
}

#[test]
fn one_message_of_each_shard_fits_and_connections_have_the_less() {
    let long = Settings { message_bytes_max: 4 << 20, outbox_bytes_max: 5 << 20, ..two_shards() };
    let (short, long) = (Plan::new(128 * MIB, &two_shards()), Plan::new(128 * MIB, &long));
    assert!((8 << 20) - 8 <= long.shard_partial_bytes_max(), "{long:?}");
    assert!(5 << 20 <= long.shard_outbox_bytes_max(), "{long:?}");
    assert_eq!(
        short.connections - long.connections,
        long.partial_messages + long.outboxes - short.partial_messages - short.outboxes
    );
    assert_eq!(long.shortage(), None);
}

#[test]
fn what_the_operator_sets_counts() {
    let set = Settings { shard_outbox_bytes_max: Some(20 << 20), ..two_shards() };
    let plan = Plan::new(256 * MIB, &set);
    assert_eq!(plan.outboxes, 50 * MIB, "and what those have who have little");
    assert!(plan.connections < Plan::new(256 * MIB, &two_shards()).connections);
}

#[test]
fn settings_that_cannot_fit_are_told_with_what_to_change() {
    let many = Settings { shards: 32, ..Settings::default() };
    let said = Plan::new(64 * MIB, &many).shortage().expect("a sentence");
    assert!(said.contains("may use only 64 MiB: lower shards"), "{said}");
}

#[test]
fn opening_handshakes_are_fewer_where_memory_is_little() {
    let settings = two_shards();
    assert_eq!(Plan::new(1 << 30, &settings).handshakes_max(&settings), 1024);
    let few = Plan::new(64 * MIB, &settings).handshakes_max(&settings);
    assert!((64..256).contains(&few), "{few}");
    assert_eq!(Plan::new(1 << 20, &settings).handshakes_max(&settings), 16);
}

#[test]
fn compression_and_the_access_log_are_part_of_the_base() {
    let plain = Plan::new(1 << 30, &two_shards()).base;
    let deflate = Settings { deflate: true, ..two_shards() };
    assert_eq!(Plan::new(1 << 30, &deflate).base, plain + 2 * DEFLATE_BYTES);
    let log = Settings { access_log: Some(crate::settings::AccessLog::Stdout), ..two_shards() };
    assert_eq!(Plan::new(1 << 30, &log).base, plain + ACCESS_LOG_BYTES);
}

#[test]
fn a_connection_costs_what_the_limits_in_use_keep_beside_it() {
    let plain = user_bytes_per_connection(&Settings::default());
    let all = Settings {
        messages_per_second_max: Some(1),
        bytes_per_second_max: Some(1 << 20),
        address_connections_max: Some(1),
        pings_unanswered_max: Some(1),
        connection_age_max: Some(Duration::from_secs(1)),
        access_log: Some(crate::settings::AccessLog::Stdout),
        access_log_sample: 10,
        ..Settings::default()
    };
    assert_eq!(user_bytes_per_connection(&all), plain + 8 + 8 + 56 + 1 + 4 + 10);
}
