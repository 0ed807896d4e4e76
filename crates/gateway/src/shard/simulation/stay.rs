//! Who is where, as the simulation knows it: the hub, user and groups of each connection, from when to when.

use std::collections::BTreeSet;

use holdfast_hub::Hub;

use crate::Audience;

/// The order of all that the applications and other threads do.
pub(super) type Moment = u64;

/// Names of groups and users, few of them.
pub(super) const NAMES: [&str; 3] = ["tea", "milk", "salt"];

/// Time that a connection belongs to something: after the one moment and before the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: Moment,
    pub(super) to: Moment,
}

/// A peer's connection, while it is open and afterwards.
#[derive(Debug)]
pub(super) struct Stay {
    pub(super) shard: usize,
    pub(super) hub: Option<Hub>,
    pub(super) user: Option<&'static str>,
    span: Span,
    groups: Vec<(&'static str, Span)>,
    /// When each of its messages was answered, in order.
    pub(super) answered: Vec<Moment>,
    /// The gateway was about to say goodbye: what was pushed to it then, if anything was.
    pub(super) closing: Option<Option<Moment>>,
}

impl Stay {
    pub(super) fn new(shard: usize, hub: Option<Hub>, user: Option<&'static str>, from: Moment) -> Self {
        let span = Span { from, to: Moment::MAX };
        Self { shard, hub, user, span, groups: Vec::new(), answered: Vec::new(), closing: None }
    }

    /// The groups that it is in now.
    pub(super) fn groups(&self) -> BTreeSet<&'static str> {
        self.groups.iter().filter(|(_, span)| span.to == Moment::MAX).map(|(group, _)| *group).collect()
    }

    /// It is in these groups, and in no others, from this moment on.
    pub(super) fn change(&mut self, now: &BTreeSet<&'static str>, at: Moment) {
        let before = self.groups();
        for (group, span) in &mut self.groups {
            if span.to == Moment::MAX && !now.contains(group) {
                span.to = at;
            }
        }
        let joined = now.difference(&before).map(|group| (*group, Span { from: at, to: Moment::MAX }));
        self.groups.extend(joined);
    }

    /// It is gone.
    pub(super) fn end(&mut self, at: Moment) {
        self.change(&BTreeSet::new(), at);
        self.span.to = at;
    }

    /// Whether it belongs to an audience for a time of which this is true.
    pub(super) fn is_in(&self, audience: &Audience, is_right: impl Fn(Span) -> bool) -> bool {
        match audience {
            Audience::Everyone => is_right(self.span),
            Audience::Hub(hub) => self.hub == Some(*hub) && is_right(self.span),
            Audience::User(hub, name) => {
                self.hub == Some(*hub) && self.user == Some(name) && is_right(self.span)
            }
            Audience::Group(hub, name) => {
                let in_group = self.groups.iter().filter(|(group, _)| **group == **name);
                self.hub == Some(*hub) && in_group.into_iter().any(|(_, span)| is_right(*span))
            }
        }
    }
}
