//! How fast a hub may be used: by all its clients, and by each of its users. One count for all shards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::counters::HubLimit;
use crate::quota::{PerUser, Rate, SharedBucket, UserPermit, Users, nanos};
use crate::settings::Hub;

/// The rates of a hub. What is not limited costs nothing.
#[derive(Debug)]
pub(crate) struct Rates {
    start: Instant,
    connects: Option<SharedBucket>,
    publishes: Option<SharedBucket>,
    events: Option<SharedBucket>,
    users: Option<Arc<Users>>,
}

impl Rates {
    pub(super) fn new(hub: &Hub, start: Instant) -> Self {
        // A second ahead: what may come at once is what may come in a second.
        let rate = |most: u64| Rate::new(most, Duration::from_secs(1));
        let bucket = |most| SharedBucket::new(rate(most));
        let it = &hub.settings;
        let per_user = PerUser {
            connections: it.user_connections_max,
            connects: it.user_connects_per_second_max.map(rate),
            publishes: it.user_publishes_per_second_max.map(rate),
        };
        Self {
            start,
            connects: it.connects_per_second_max.map(bucket),
            publishes: it.publishes_per_second_max.map(bucket),
            events: it.events_per_second_max.map(bucket),
            users: Users::new(per_user).map(Arc::new),
        }
    }

    /// Counts an opening handshake.
    pub(super) fn connect(&self, now: Instant) -> Result<(), HubLimit> {
        within(self.connects.as_ref(), self.nanos(now), HubLimit::ConnectRate)
    }

    /// Counts one of this user, who has a place from now on where places are counted.
    pub(super) fn enter(&self, user: Option<&str>, now: Instant) -> Result<Option<UserPermit>, HubLimit> {
        let (Some(users), Some(user)) = (&self.users, user) else { return Ok(None) };
        let now = self.nanos(now);
        let place = users.enter(user, now).map_err(|()| HubLimit::UserConnections)?;
        // Who has no place has made no use of its rate.
        users.connect(user, now).then_some(place).ok_or(HubLimit::UserConnectRate)
    }

    /// A user has a connection less.
    pub(super) fn leave(&self, user: &str) {
        if let Some(users) = &self.users {
            users.leave(user);
        }
    }

    /// Counts a message that a client publishes.
    pub(super) fn publish(&self, user: Option<&str>, now: Instant) -> Result<(), HubLimit> {
        self.may(HubLimit::PublishRate, now)?;
        let now = self.nanos(now);
        if let (Some(users), Some(user)) = (&self.users, user)
            && !users.publish(user, now)
        {
            return Err(HubLimit::UserPublishRate);
        }
        within(self.publishes.as_ref(), now, HubLimit::PublishRate)
    }

    /// Counts an event of a client.
    pub(super) fn event(&self, now: Instant) -> Result<(), HubLimit> {
        within(self.events.as_ref(), self.nanos(now), HubLimit::EventRate)
    }

    /// Whether there is room again where this was passed; of users that is not said.
    pub(super) fn may(&self, limit: HubLimit, now: Instant) -> Result<(), HubLimit> {
        let bucket = match limit {
            HubLimit::PublishRate => &self.publishes,
            HubLimit::EventRate => &self.events,
            _ => &None,
        };
        let has_room = bucket.as_ref().is_none_or(|bucket| bucket.has_one(self.nanos(now)));
        has_room.then_some(()).ok_or(limit)
    }

    fn nanos(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.start))
    }
}

fn within(bucket: Option<&SharedBucket>, now: u64, limit: HubLimit) -> Result<(), HubLimit> {
    bucket.is_none_or(|bucket| bucket.take(now)).then_some(()).ok_or(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::HubSettings;

    fn rates(settings: HubSettings) -> (Rates, Instant) {
        let hub = Hub {
            name: "chat".to_owned(),
            keys: Vec::new(),
            settings,
            handlers: Vec::new(),
            listeners: Vec::new(),
        };
        let now = Instant::now();
        (Rates::new(&hub, now), now + Duration::from_secs(1))
    }

    #[test]
    fn nothing_is_counted_where_nothing_is_limited() {
        let (rates, now) = rates(HubSettings::default());
        assert!(rates.users.is_none() && rates.connects.is_none());
        for _ in 0..10_000 {
            assert!(rates.connect(now).is_ok() && rates.enter(Some("ann"), now).is_ok_and(|it| it.is_none()));
            assert!(rates.publish(Some("ann"), now).is_ok() && rates.event(now).is_ok());
        }
    }

    #[test]
    fn a_hub_that_has_no_room_takes_nothing_from_its_users() {
        let (rates, now) = rates(HubSettings {
            publishes_per_second_max: Some(2),
            user_publishes_per_second_max: Some(2),
            ..HubSettings::default()
        });
        assert!(rates.publish(Some("ann"), now).is_ok() && rates.publish(None, now).is_ok());
        assert_eq!(rates.publish(Some("ann"), now), Err(HubLimit::PublishRate));
        let later = now + Duration::from_millis(500);
        assert!(rates.publish(Some("ann"), later).is_ok(), "its second one was not taken from it");
        assert_eq!(rates.may(HubLimit::PublishRate, later), Err(HubLimit::PublishRate));
        assert!(rates.may(HubLimit::EventRate, later).is_ok());
    }

    #[test]
    fn a_user_that_is_over_takes_nothing_from_its_hub() {
        let (rates, now) = rates(HubSettings {
            publishes_per_second_max: Some(3),
            user_publishes_per_second_max: Some(1),
            ..HubSettings::default()
        });
        assert!(rates.publish(Some("ann"), now).is_ok());
        for _ in 0..10 {
            assert_eq!(rates.publish(Some("ann"), now), Err(HubLimit::UserPublishRate));
        }
        assert!(rates.publish(Some("bob"), now).is_ok() && rates.publish(Some("cid"), now).is_ok());
    }

    #[test]
    fn a_place_is_free_again_where_the_rate_says_no() {
        let (rates, now) = rates(HubSettings {
            user_connections_max: Some(2),
            user_connects_per_second_max: Some(1),
            ..HubSettings::default()
        });
        let first = rates.enter(Some("ann"), now).expect("room");
        assert_eq!(rates.enter(Some("ann"), now).map(drop), Err(HubLimit::UserConnectRate));
        let later = now + Duration::from_secs(1);
        let second = rates.enter(Some("ann"), later).expect("room");
        let third = rates.enter(Some("ann"), later + Duration::from_secs(1));
        assert_eq!(third.map(drop), Err(HubLimit::UserConnections));
        assert!(rates.enter(None, now).is_ok(), "nobody's");
        drop((first, second));
    }
}
