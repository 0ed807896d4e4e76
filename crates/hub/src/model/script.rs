//! What may happen, at random.

use proptest::collection::vec;
use proptest::prelude::*;

pub(super) const KEYS: u32 = 20;
pub(super) const HUBS: u8 = 2;
pub(super) const USERS: u8 = 3;
pub(super) const GROUPS: u8 = 4;

/// Whom something is published to.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    Everyone,
    Hub(u8),
    Group(u8, u8),
    User(u8, u8),
    One(u32),
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Arrive(u32),
    /// Key, hub, user, groups as bits.
    Enter(u32, u8, Option<u8>, u8),
    Leave(u32),
    Join(u32, u8),
    Quit(u32, u8),
    QuitAll(u32),
    JoinUser(u8, u8, u8),
    QuitUser(u8, u8, u8),
    QuitAllOfUser(u8, u8),
    /// To whom, and who is left out.
    Publish(To, Vec<u32>),
    /// With this budget; it pauses after so many deliveries.
    Advance(u32, u32),
    CatchUp(u32),
    /// So many numbers go by.
    Pass(u32),
}

/// A life of a shard.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) first: u32,
    pub(super) at_once_max: u32,
    pub(super) slice: u32,
    pub(super) deeds: Vec<Deed>,
}

pub(super) fn script() -> impl Strategy<Value = Script> {
    let first = prop_oneof![Just(0), Just(u32::MAX - 15), Just((1 << 31) - 15), any::<u32>()];
    (first, 0..4u32, 1..4u32, vec(deed(), 1..150)).prop_map(|(first, at_once_max, slice, deeds)| Script {
        first,
        at_once_max,
        slice,
        deeds,
    })
}

fn deed() -> impl Strategy<Value = Deed> {
    let (key, hub, user, group) = (0..KEYS, 0..HUBS, 0..USERS, 0..GROUPS);
    let bits = 0..1u8 << GROUPS;
    let enter = (key.clone(), hub.clone(), proptest::option::of(user.clone()), prop_oneof![Just(0), bits]);
    let of_user = || (0..HUBS, 0..USERS, 0..GROUPS);
    let excluded = prop_oneof![2 => Just(Vec::new()), 1 => vec(0..KEYS, 1..4)];
    prop_oneof![
        1 => key.clone().prop_map(Deed::Arrive),
        6 => enter.prop_map(|(key, hub, user, groups)| Deed::Enter(key, hub, user, groups)),
        1 => key.clone().prop_map(Deed::Leave),
        4 => (key.clone(), group.clone()).prop_map(|(key, group)| Deed::Join(key, group)),
        4 => (key.clone(), group).prop_map(|(key, group)| Deed::Quit(key, group)),
        1 => key.clone().prop_map(Deed::QuitAll),
        1 => of_user().prop_map(|(hub, user, group)| Deed::JoinUser(hub, user, group)),
        1 => of_user().prop_map(|(hub, user, group)| Deed::QuitUser(hub, user, group)),
        1 => (hub, user).prop_map(|(hub, user)| Deed::QuitAllOfUser(hub, user)),
        10 => (to(), excluded).prop_map(|(to, excluded)| Deed::Publish(to, excluded)),
        8 => (1..6u32, prop_oneof![Just(u32::MAX), 1..4u32]).prop_map(|(budget, after)| Deed::Advance(budget, after)),
        1 => key.prop_map(Deed::CatchUp),
        2 => prop_oneof![Just(1 << 29), 1..1u32 << 29].prop_map(Deed::Pass),
    ]
}

fn to() -> impl Strategy<Value = To> {
    prop_oneof![
        1 => Just(To::Everyone),
        2 => (0..HUBS).prop_map(To::Hub),
        5 => (0..HUBS, 0..GROUPS).prop_map(|(hub, group)| To::Group(hub, group)),
        1 => (0..HUBS, 0..USERS).prop_map(|(hub, user)| To::User(hub, user)),
        1 => (0..KEYS).prop_map(To::One),
    ]
}
