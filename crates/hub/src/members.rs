//! The core of a shard: its connections and the line of publications to them.

use crate::audience::{Audience, Target};
use crate::connections::{Bounds, Connections, Left, Newcomer, TooMany};
use crate::hub::{Counts, Form, Hub, Kind};
use crate::line::{Line, Next, Progress, Publication, Tuning};
use crate::listing::{self, Most, Names};
use crate::permission::{Action, Permitted, TooManyGrants};
use crate::planted::{Defect, is_planted};
use crate::receiver::Receiver;
use crate::watch::Watcher;

/// The connections of a shard, and what is published to them.
///
/// Connections are named by key, less than [`Bounds::connections`]. The gateway says when a key has a new owner
/// ([`enter`](Self::enter) or [`arrive`](Self::arrive)) and when that is gone ([`leave`](Self::leave)). Everything else
/// takes any key, and does nothing where nobody has it.
///
/// What delivers is a function `deliver(receiver, publication)`. It is also given to operations that change
/// memberships: they deliver what was published before, so that it is heard before, and that nothing more comes once
/// a connection has left a group. It should not fail: where the connection cannot take it, that is for the gateway to
/// know. [`Next::Pause`] stops [`advance`](Self::advance) and nothing else.
#[derive(Debug)]
pub struct Members<P> {
    connections: Connections,
    line: Line<P>,
}

/// Some members of a user or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<'m> {
    /// Their keys, in no order.
    pub keys: &'m [u32],
    /// Where to go on, if there are more.
    pub rest: Option<u32>,
}

impl<P: Publication> Members<P> {
    /// A shard without connections.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self::tuned(bounds, Tuning::default())
    }

    /// The same, with sizes of the line that are not the usual ones.
    #[must_use]
    pub fn tuned(bounds: Bounds, tuning: Tuning) -> Self {
        Self { connections: Connections::new(bounds), line: Line::new(tuning) }
    }

    /// The same, with one who is told which hubs, users and groups have members. It is to be there before they are.
    #[must_use]
    pub fn watched_by(mut self, watcher: Box<dyn Watcher>) -> Self {
        self.connections.watch(watcher);
        self
    }

    // Who comes and goes.

    /// A key has a new owner, in no hub. It hears what is published from now on to everyone or to its key.
    ///
    /// # Panics
    /// Where the key is not less than [`Bounds::connections`].
    pub fn arrive(&mut self, key: u32) {
        self.connections.arrive(key);
        self.line.arrive(key);
    }

    /// A key has a new owner, in a hub. It hears what is published from now on.
    ///
    /// # Errors
    /// When it is in too many groups: then it has arrived, but is in no hub.
    ///
    /// # Panics
    /// Where the key is not less than [`Bounds::connections`].
    pub fn enter(&mut self, key: u32, newcomer: Newcomer<'_>) -> Result<(), TooMany> {
        self.line.arrive(key);
        self.connections.enter(key, newcomer)
    }

    /// The owner of a key is gone. It hears nothing any more, what it lacks included. Returns what it was, if it was in
    /// a hub.
    pub fn leave(&mut self, key: u32) -> Option<Left> {
        self.connections.leave(key)
    }

    // What is known of a connection.

    /// The hub that a connection is in.
    #[must_use]
    pub fn hub(&self, key: u32) -> Option<Hub> {
        self.connections.spoken(key).map(|(hub, _)| hub)
    }

    /// How a connection in a hub is spoken to.
    #[must_use]
    pub fn form(&self, key: u32) -> Option<Form> {
        self.connections.spoken(key).map(|(_, form)| form)
    }

    /// A connection in a hub, as filters look at it.
    #[must_use]
    pub fn receiver(&self, key: u32) -> Option<Receiver<'_>> {
        self.form(key).map(|form| Receiver::new(key, form, &self.connections))
    }

    /// A connection's user.
    #[must_use]
    pub fn user(&self, key: u32) -> Option<&str> {
        self.connections.user(key)
    }

    /// The groups of a connection, those that it joined last first.
    pub fn groups(&self, key: u32) -> impl Iterator<Item = &str> {
        self.connections.groups(key)
    }

    /// A connection's state.
    #[must_use]
    pub fn state(&self, key: u32) -> Option<&str> {
        self.connections.state(key)
    }

    /// Sets it or takes it away. The front bounds its size.
    pub fn set_state(&mut self, key: u32, state: Option<&str>) {
        self.connections.set_state(key, state);
    }

    /// Whether a request of a connection with this ack id has succeeded.
    #[must_use]
    pub fn has_acked(&self, key: u32, id: u64) -> bool {
        self.connections.has_acked(key, id)
    }

    /// Notes that it has.
    pub fn note_ack(&mut self, key: u32, id: u64) {
        self.connections.note_ack(key, id);
    }

    // What a connection may do.

    /// Whether a connection may do this to a group. Who is in no hub may nothing.
    #[must_use]
    pub fn may(&self, key: u32, action: Action, group: &str) -> bool {
        self.connections.may(key, action, group)
    }

    /// All that a connection may do, for whoever looks.
    #[must_use]
    pub fn permitted(&self, key: u32, action: Action) -> Permitted<'_> {
        self.connections.permitted(key, action)
    }

    /// Grants a connection an action for a group, or for all. That undoes a denial.
    ///
    /// # Errors
    /// When more groups would be named than may be.
    pub fn grant(&mut self, key: u32, action: Action, group: Option<&str>) -> Result<(), TooManyGrants> {
        self.connections.set_right(key, action, group, true)
    }

    /// Takes an action from a connection, for a group or for all. Who may all and is denied one keeps all others. Its
    /// memberships stay.
    ///
    /// # Errors
    /// When more groups would be named than may be.
    pub fn revoke(&mut self, key: u32, action: Action, group: Option<&str>) -> Result<(), TooManyGrants> {
        self.connections.set_right(key, action, group, false)
    }

    // Groups.

    /// Makes a connection a member of a group of its hub. Whether it has become one now.
    ///
    /// # Errors
    /// When there would be too many groups.
    pub fn join(
        &mut self,
        key: u32,
        group: &str,
        deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next,
    ) -> Result<bool, TooMany> {
        if !is_planted(Defect::JoinsEarly) {
            self.catch_up(key, deliver);
        }
        self.connections.join(key, group)
    }

    /// Takes a connection out of a group. Whether it was in it.
    pub fn quit(
        &mut self,
        key: u32,
        group: &str,
        deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next,
    ) -> bool {
        if !is_planted(Defect::QuitsEarly) {
            self.catch_up(key, deliver);
        }
        self.connections.quit(key, group)
    }

    /// Takes a connection out of all groups. Returns how many those were.
    pub fn quit_all(&mut self, key: u32, deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next) -> u16 {
        self.catch_up(key, deliver);
        self.connections.quit_all(key)
    }

    /// Makes all connections of a user members of a group, or none. Returns how many have become so now.
    ///
    /// # Errors
    /// When there would be too many groups for one of them.
    pub fn join_user(
        &mut self,
        hub: Hub,
        user: &str,
        group: &str,
        deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next,
    ) -> Result<u32, TooMany> {
        let keys = self.keys(hub, Kind::User, user).to_vec();
        keys.iter().try_for_each(|key| self.connections.would_join(*key, group).map(drop))?;
        keys.iter().try_fold(0, |newly, key| Ok(newly + u32::from(self.join(*key, group, deliver)?)))
    }

    /// Takes all connections of a user out of a group. Returns how many were in it.
    pub fn quit_user(
        &mut self,
        hub: Hub,
        user: &str,
        group: &str,
        deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next,
    ) -> u32 {
        let keys = self.keys(hub, Kind::User, user).to_vec();
        keys.iter().map(|key| u32::from(self.quit(*key, group, deliver))).sum()
    }

    /// Takes all connections of a user out of all groups. Returns how many memberships those were.
    pub fn quit_all_of_user(
        &mut self,
        hub: Hub,
        user: &str,
        deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next,
    ) -> u64 {
        let keys = self.keys(hub, Kind::User, user).to_vec();
        keys.iter().map(|key| u64::from(self.quit_all(*key, deliver))).sum()
    }

    // Who is there.

    /// Behind the last key that has ever been used.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.connections.end()
    }

    /// What a hub has.
    #[must_use]
    pub fn counts(&self, hub: Hub) -> Counts {
        self.connections.counts(hub)
    }

    /// The connections of a user, or the members of a group, in no order. A user or group that is not there has none.
    #[must_use]
    pub fn keys(&self, hub: Hub, kind: Kind, name: &str) -> &[u32] {
        let set = self.connections.sets().find(hub, kind, name);
        set.map_or(&[], |set| self.connections.members(set))
    }

    /// Whether a connection is a member of a group of its hub.
    #[must_use]
    pub fn is_member(&self, key: u32, group: &str) -> bool {
        self.receiver(key).is_some_and(|receiver| receiver.is_in(group))
    }

    /// Some connections of a user or group: at most so many, from where the last page ended.
    ///
    /// A page costs what it has, however large the group. Members may join and leave between pages: who is one from the
    /// first page to the last is on one of them. Where others have left meanwhile it may be on a second one, too.
    #[must_use]
    pub fn page(&self, hub: Hub, kind: Kind, name: &str, rest: Option<u32>, keys_max: u32) -> Page<'_> {
        // As a walk: from the last member down. Who leaves is replaced by the last one, never by one before it.
        let keys = self.keys(hub, kind, name);
        let end = rest.map_or(keys.len(), |rest| keys.len().min(rest as usize));
        let start = end.saturating_sub(keys_max.max(1) as usize);
        let rest = u32::try_from(start).ok().filter(|start| *start > 0);
        Page { keys: &keys[start..end], rest }
    }

    /// Some users or groups of a hub, from where the last look ended: 0 is the beginning.
    ///
    /// A look costs at most what it is told, however many names there are. They may come and go between looks: one that
    /// is there from the first to the last is in one of them.
    #[must_use]
    pub fn names(&self, hub: Hub, kind: Kind, from: u32, most: Most) -> Names<'_> {
        listing::names(self.connections.sets(), hub, kind, from, most)
    }

    // Publications.

    /// Publishes to those who are there now, but those with these keys. It is delivered by [`advance`](Self::advance),
    /// or before something else is done with a connection. What is meant for nobody is taken and dropped at once.
    pub fn publish(&mut self, audience: Audience<'_>, excluded: Vec<u32>, publication: P) {
        match Target::of(audience, &self.connections) {
            Some(target) => self.line.publish(target, excluded, publication, &self.connections),
            None => publication.taken(),
        }
    }

    /// How many publications not everybody has got yet. The gateway bounds them.
    #[must_use]
    pub fn publications(&self) -> usize {
        self.line.len()
    }

    /// Delivers to a connection all that it lacks and that is meant for it. To be called before anything is sent to
    /// this connection alone.
    #[inline]
    pub fn catch_up(&mut self, key: u32, deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next) {
        self.line.catch_up(key, &self.connections, deliver);
    }

    /// Delivers what waits: about so many deliveries, and more where a small audience is served whole or somebody lacks
    /// several. 16 who get nothing cost as much as one who does.
    ///
    /// An audience of at most [`Tuning::at_once_max`] never waits for more of a larger one than [`Tuning::slice`].
    pub fn advance(&mut self, budget: u32, deliver: &mut impl FnMut(Receiver<'_>, &P) -> Next) -> Progress {
        self.line.advance(budget, &self.connections, deliver)
    }

    /// As if so many had been published that all who were meant have got.
    #[cfg(test)]
    pub(crate) fn pass(&mut self, numbers: u32) {
        self.line.pass(numbers, &self.connections);
    }
}
