use super::*;

fn bounds() -> Bounds {
    Bounds {
        shards: 2,
        listeners: 1,
        services: 0,
        descriptors: 20_000,
        direct_table: None,
        memory_bytes: None,
        connection_bytes: 4096,
        connections_max: None,
        shard_connections_max: None,
        handshakes_max: 1024,
    }
}

fn room(bounds: Bounds) -> Room {
    Room::new(&bounds).expect("room")
}

fn shares(room: &Room, shards: u16) -> Vec<u32> {
    (0..shards).map(|index| room.shard_max(index)).collect()
}

#[test]
fn two_direct_tables_of_20000_hold_38000() {
    let room = room(Bounds { direct_table: Some(direct_table(20_000)), ..bounds() });
    assert_eq!(room.to_string(), "room for 38000 connections (descriptor limit)");
    assert_eq!(shares(&room, 2), [20_000, 20_000]);
}

#[test]
fn eleven_direct_tables_of_20000_hold_200000() {
    let room = room(Bounds { direct_table: Some(20_000), shards: 11, ..bounds() });
    assert!(room.connections >= 200_000, "{room}");
}

#[test]
fn normal_descriptors_are_shared_by_all_shards() {
    let room = room(bounds());
    assert_eq!(room.to_string(), "room for 19900 connections (descriptor limit)");
    let sum: u32 = shares(&room, 2).iter().sum();
    assert_eq!(u64::from(sum), 20_000 - RESERVE_PROCESS - 2 * (RESERVE_SHARD + 1));
    assert!(u64::from(sum) >= room.connections);
}

#[test]
fn connections_max_is_held_to_exactly_by_the_sum_of_the_shares() {
    for direct_table in [None, Some(20_000)] {
        let room = room(Bounds { connections_max: Some(1001), direct_table, ..bounds() });
        assert_eq!(room.to_string(), "room for 1001 connections (connections-max)");
        assert_eq!(shares(&room, 2), [501, 500]);
    }
}

#[test]
fn a_connections_max_beyond_the_descriptors_does_not_bind() {
    let room = room(Bounds { connections_max: Some(1_000_000), ..bounds() });
    assert_eq!(room.binding, Binding::Descriptors);
}

#[test]
fn memory_binds_where_descriptors_are_as_good_as_endless() {
    let endless = Bounds { descriptors: 1 << 30, memory_bytes: Some(384 << 20), ..bounds() };
    for direct_table in [None, Some(direct_table(1 << 30))] {
        let room = room(Bounds { direct_table, ..endless });
        assert_eq!(room.to_string(), "room for 98000 connections (memory)");
        assert_eq!(shares(&room, 2), [49_000, 49_000]);
    }
}

#[test]
fn a_table_is_never_larger_than_the_kernel_allows() {
    assert_eq!(direct_table(1 << 30), 1 << 20);
    assert_eq!(direct_table(20_000), 20_000);
}

#[test]
fn handshakes_are_fewer_where_descriptors_are_few() {
    assert_eq!(room(bounds()).handshakes_per_shard, 1024);
    let few = room(Bounds { shards: 64, direct_table: Some(20_000), ..bounds() });
    assert_eq!(few.handshakes_per_shard, (20_000 - 64 - 64 * 13) / 64);
}

#[test]
fn half_of_the_descriptors_are_left_to_those_who_wait() {
    let room = room(Bounds { direct_table: Some(20_000), ..bounds() });
    assert_eq!(room.normal_per_shard, ((20_000 - 64 - 2 * 13) / 2 - 1024) / 2);
    let few = Room::new(&Bounds { shards: 64, direct_table: Some(20_000), ..bounds() }).expect("room");
    assert_eq!(few.normal_per_shard, 0, "all of them are for opening handshakes");
}

#[test]
fn too_few_descriptors_are_refused_with_the_number_needed() {
    let refused = Room::new(&Bounds { descriptors: 91, ..bounds() }).expect_err("no room");
    assert_eq!(
        refused.to_string(),
        "the descriptor limit (91) leaves no room for connections (shards is 2): raise it to at least 92 \
         (ulimit -n, LimitNOFILE=, --ulimit nofile=), or lower shards"
    );
    let least = room(Bounds { descriptors: 92, ..bounds() });
    assert_eq!((least.connections, shares(&least, 2)), (2, vec![1, 1]));
}

#[test]
fn every_shard_holds_at_least_one_connection_whatever_binds() {
    let tiny = room(Bounds { memory_bytes: Some(4096), ..bounds() });
    assert_eq!((tiny.binding, shares(&tiny, 2)), (Binding::Memory, vec![1, 1]));
}

#[test]
fn numbers_are_rounded_down_to_their_first_digits() {
    for (number, digits, rounded) in [
        (38_095, 2, 38_000),
        (19_912, 3, 19_900),
        (7, 2, 7),
        (0, 2, 0),
        (999, 1, 900),
        (u64::MAX, 1, 10_u64.pow(19)),
    ] {
        assert_eq!(round_down(number, digits), rounded);
    }
}

#[test]
fn the_soft_limit_becomes_the_hard_one() {
    let limit = raise_descriptor_limit();
    assert_eq!(getrlimit(Resource::Nofile).current, getrlimit(Resource::Nofile).maximum);
    assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), limit.now);
    assert_eq!(raise_descriptor_limit().was, limit.now);
}

#[test]
fn the_limit_says_whether_it_was_raised() {
    assert_eq!(DescriptorLimit { was: 5, now: 5 }.to_string(), "descriptor limit 5");
    assert_eq!(DescriptorLimit { was: 5, now: 9 }.to_string(), "descriptor limit raised from 5 to 9");
}

#[test]
fn connections_that_cost_more_are_fewer() {
    let endless = Bounds { descriptors: 1 << 30, memory_bytes: Some(384 << 20), ..bounds() };
    let dear = room(Bounds { connection_bytes: 8192, ..endless });
    assert_eq!(dear.to_string(), "room for 49000 connections (memory)");
}

#[test]
fn a_bound_for_each_shard_binds_all_of_them() {
    for direct_table in [None, Some(20_000)] {
        let bounds = Bounds { shard_connections_max: Some(100), direct_table, ..bounds() };
        let room = room(bounds);
        assert_eq!(room.to_string(), "room for 200 connections (shard-connections-max)");
        assert_eq!(shares(&room, 2), [100, 100]);
    }
    let bounds = Bounds { shard_connections_max: Some(100), connections_max: Some(150), ..bounds() };
    assert_eq!(room(bounds).to_string(), "room for 150 connections (connections-max)");
}
