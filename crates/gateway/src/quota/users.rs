//! What each user of a hub has, over all shards: connections, and how fast it connects and publishes.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

use super::rate::Rate;

/// Maps, so that shards seldom wait for each other.
const MAPS: usize = 64;
/// Users that a map may have for their rates alone, a million in all maps. Nobody acts as so many within a second; who
/// comes past them is not slowed down.
const RATED_MAX: usize = (1 << 20) / MAPS;
/// In nanoseconds: what a bucket holds is what comes in one.
const SECOND: u64 = 1_000_000_000;
/// Users that a map has before it is looked through for the first time.
const SWEPT_MIN: usize = 32;

/// What one user may have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PerUser {
    pub(crate) connections: Option<u32>,
    pub(crate) connects: Option<Rate>,
    pub(crate) publishes: Option<Rate>,
}

/// The users of a hub that have a connection, where those are counted, or have done something within the last second,
/// where that is: others take no room. They are looked through as often as they have doubled. The hash has a key of its
/// own in each process, so that nobody can choose names that collide.
#[derive(Debug)]
pub(crate) struct Users {
    may: PerUser,
    /// Users that a map may have for their rates alone.
    rated_max: usize,
    hasher: RandomState,
    maps: [Mutex<Map>; MAPS],
}

#[derive(Debug)]
struct Map {
    users: HashMap<Box<str>, User>,
    /// With so many it is looked through again.
    sweep_at: usize,
    /// When it was, in the clock of who asks.
    swept: u64,
}

/// What one has. Rates are as [`Rate`] keeps them.
#[derive(Clone, Copy, Debug, Default)]
struct User {
    connections: u32,
    connects: u64,
    publishes: u64,
}

impl User {
    /// Whether a new one would be no other.
    fn is_idle(&self, now: u64) -> bool {
        self.connections == 0 && self.connects <= now && self.publishes <= now
    }
}

impl Users {
    /// None where nothing is limited.
    pub(crate) fn new(may: PerUser) -> Option<Self> {
        let PerUser { connections, connects, publishes } = may;
        let is_limited = connections.is_some() || connects.is_some() || publishes.is_some();
        let map = || Mutex::new(Map { users: HashMap::new(), sweep_at: SWEPT_MIN, swept: 0 });
        is_limited.then(|| Self {
            may,
            rated_max: RATED_MAX,
            hasher: RandomState::new(),
            maps: std::array::from_fn(|_| map()),
        })
    }

    /// Counts a connection of a user more, where they are counted.
    ///
    /// # Errors
    /// When it has as many as it may.
    pub(crate) fn enter(self: &Arc<Self>, user: &str, now: u64) -> Result<Option<UserPermit>, ()> {
        let Some(most) = self.may.connections else { return Ok(None) };
        let is_in = self.with(user, |map| {
            let entry = map.entry(user, now);
            let may = entry.connections < most;
            entry.connections += u32::from(may);
            may
        });
        is_in.then(|| Some(UserPermit { users: Arc::clone(self), user: user.into() })).ok_or(())
    }

    /// Counts one less: what [`UserPermit::keep`] was called for.
    pub(crate) fn leave(&self, user: &str) {
        if self.may.connections.is_none() {
            return;
        }
        self.with(user, |map| {
            let Some(entry) = map.users.get_mut(user) else { return };
            entry.connections = entry.connections.saturating_sub(1);
            // What it has done lately is forgotten only with the next look through.
            if entry.connections == 0 && entry.connects == 0 && entry.publishes == 0 {
                map.users.remove(user);
            }
            map.shrink();
        });
    }

    /// Whether a user may connect now, as far as that is limited.
    pub(crate) fn connect(&self, user: &str, now: u64) -> bool {
        self.take(user, now, self.may.connects, |entry| &mut entry.connects)
    }

    /// Whether a user may publish now, as far as that is limited.
    pub(crate) fn publish(&self, user: &str, now: u64) -> bool {
        self.take(user, now, self.may.publishes, |entry| &mut entry.publishes)
    }

    /// Takes one out of a bucket of a user's, if there is one. It never owes.
    fn take(&self, user: &str, now: u64, rate: Option<Rate>, of: fn(&mut User) -> &mut u64) -> bool {
        let Some(rate) = rate else { return true };
        self.with(user, |map| {
            if map.users.len() >= self.rated_max && !map.users.contains_key(user) {
                map.sweep_again(now);
                if map.users.len() >= self.rated_max {
                    return true;
                }
            }
            let full_at = of(map.entry(user, now));
            let mut taken = *full_at;
            let is_within = rate.take(&mut taken, now, 1);
            if is_within {
                *full_at = taken;
            }
            is_within
        })
    }

    fn with<T>(&self, user: &str, act: impl FnOnce(&mut Map) -> T) -> T {
        let [.., low] = self.hasher.hash_one(user).to_be_bytes();
        let map = &self.maps[usize::from(low) % MAPS];
        act(&mut map.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    fn entries(&self) -> (usize, usize) {
        let maps = self.maps.iter().map(|map| map.lock().unwrap_or_else(PoisonError::into_inner));
        maps.fold((0, 0), |(len, capacity), map| (len + map.users.len(), capacity + map.users.capacity()))
    }
}

impl Map {
    /// What a user has, who is there from now on.
    fn entry(&mut self, user: &str, now: u64) -> &mut User {
        if !self.users.contains_key(user) {
            if self.users.len() >= self.sweep_at {
                self.sweep(now);
            }
            self.users.insert(user.into(), User::default());
        }
        self.users.get_mut(user).expect("it is there")
    }

    /// Looks through it once more, unless that was done within the last second: nobody was as if new since.
    fn sweep_again(&mut self, now: u64) {
        if now.saturating_sub(self.swept) >= SECOND {
            self.sweep(now);
        }
    }

    /// Takes out those who are as if they had never been.
    fn sweep(&mut self, now: u64) {
        self.swept = now;
        self.users.retain(|_, entry| !entry.is_idle(now));
        self.shrink();
        self.sweep_at = (self.users.len() * 2).max(SWEPT_MIN);
    }

    /// After a crowd has left, its memory goes too.
    fn shrink(&mut self) {
        if self.users.len() < self.users.capacity() / 8 {
            self.users.shrink_to(self.users.len() * 2);
        }
    }
}

/// One of the places of a user, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct UserPermit {
    users: Arc<Users>,
    user: Box<str>,
}

impl UserPermit {
    /// The place is given back by [`Users::leave`] instead: whoever has it knows the user's name anyway.
    pub(crate) fn keep(mut self) {
        self.user = Box::default();
    }
}

impl Drop for UserPermit {
    fn drop(&mut self) {
        if !self.user.is_empty() {
            self.users.leave(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn users(may: PerUser) -> Arc<Users> {
        Arc::new(Users::new(may).expect("something is limited"))
    }

    fn a_second(count: u64) -> Option<Rate> {
        Some(Rate::new(count, Duration::from_secs(1)))
    }

    #[test]
    fn nothing_is_there_where_nothing_is_limited() {
        assert!(Users::new(PerUser::default()).is_none());
    }

    #[test]
    fn a_user_has_so_many_places_and_no_more_and_gives_them_back() {
        let users = users(PerUser { connections: Some(2), ..PerUser::default() });
        let place = |user| users.enter(user, 0).map(|place| place.expect("they are counted"));
        let first = place("ann").expect("a place");
        place("ann").expect("a place").keep();
        assert!(place("ann").is_err() && place("bob").is_ok());
        drop(first);
        let third = place("ann").expect("given back when it is dropped");
        assert!(place("ann").is_err());
        users.leave("ann");
        assert!(place("ann").is_ok(), "given back when it is said");
        drop(third);
        users.leave("nobody");
        assert_eq!(users.entries().0, 0, "a user without connections takes no room");
        assert!(users.connect("ann", 0) && users.publish("ann", 0), "what is not limited");
        assert_eq!(users.entries().0, 0, "takes no room either");
    }

    #[test]
    fn each_user_has_its_own_rates() {
        let users = users(PerUser { connects: a_second(1), publishes: a_second(3), ..PerUser::default() });
        let publish = |user, now| (0..10).filter(|_| users.publish(user, now)).count();
        assert_eq!((publish("ann", SECOND), publish("bob", SECOND)), (3, 3));
        assert!(users.connect("ann", SECOND) && !users.connect("ann", SECOND), "counted apart");
        assert_eq!(publish("ann", SECOND + SECOND / 3), 1);
        assert_eq!(publish("ann", 9 * SECOND), 3, "it holds no more than a second");
    }

    #[test]
    fn those_who_have_been_quiet_for_a_second_take_no_room() {
        let users = users(PerUser { publishes: a_second(5), ..PerUser::default() });
        for second in 1..50 {
            for n in 0..1000 {
                assert!(users.publish(&format!("{second} {n}"), second * SECOND));
            }
        }
        let (len, capacity) = users.entries();
        assert!(len < 5000 && capacity < 16_000, "{len} of 49,000 users, room for {capacity}");
    }

    #[test]
    fn there_is_a_bound_past_which_users_are_not_slowed_down() {
        let may = PerUser { publishes: a_second(1), ..PerUser::default() };
        let users = Users { rated_max: 10, ..Users::new(may).expect("something is limited") };
        let publish = |n: u32| users.publish(&n.to_string(), SECOND);
        assert!((0..10_000).all(publish));
        let refused = (0..10_000).filter(|n| !publish(*n)).count();
        assert_eq!((users.entries().0, refused), (10 * MAPS, 10 * MAPS));
        assert!(users.publish("ann", 3 * SECOND) && !users.publish("ann", 3 * SECOND), "there is room again");
    }

    #[test]
    fn threads_count_together() {
        let users = users(PerUser { connections: Some(1000), ..PerUser::default() });
        let enter = || (0..400).filter_map(|_| users.enter("ann", 0).ok()).collect::<Vec<_>>();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(enter)).collect();
            let places: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
            assert_eq!(places.iter().map(Vec::len).sum::<usize>(), 1000);
        });
        assert_eq!(users.entries().0, 0);
    }
}
