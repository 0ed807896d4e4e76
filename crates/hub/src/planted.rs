//! Defects that tests plant, to show that the model they compare with would notice. Outside of tests there are none.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// One who joins a group hears what was published before.
    JoinsEarly,
    /// One who leaves a group does not hear what was published before.
    QuitsEarly,
    /// A newcomer hears what was published before it came.
    NewcomerHearsThePast,
    /// A walk goes up, so that one who moves into a hole behind it is skipped.
    WalksUp,
    /// What is delivered at once overtakes the walks.
    Overtakes,
    /// Nobody notes what has been delivered.
    Forgets,
    /// Those who are left out are not.
    ExcludesNobody,
    /// Sequence numbers are compared as if they never came round.
    NeverWraps,
    /// Those who hear little are not brought along when sequence numbers come round.
    NeverRefreshes,
    /// The one who moves into a hole keeps its old position.
    KeepsPosition,
    /// A delivery that pauses is done again.
    RepeatsAfterPause,
    /// A hub hears another one's.
    MixesHubs,
    /// The watcher is not told of a user or group that has its first member.
    BeginsUntold,
    /// It is not told of one that has lost its last.
    EndsUntold,
    /// It is told that one is empty when the first of several members leaves.
    EndsWithTheFirst,
    /// It is never told that a hub is empty.
    HubNeverEnds,
}

#[cfg(test)]
impl Defect {
    pub(crate) const ALL: [Self; 16] = [
        Self::JoinsEarly,
        Self::QuitsEarly,
        Self::NewcomerHearsThePast,
        Self::WalksUp,
        Self::Overtakes,
        Self::Forgets,
        Self::ExcludesNobody,
        Self::NeverWraps,
        Self::NeverRefreshes,
        Self::KeepsPosition,
        Self::RepeatsAfterPause,
        Self::MixesHubs,
        Self::BeginsUntold,
        Self::EndsUntold,
        Self::EndsWithTheFirst,
        Self::HubNeverEnds,
    ];
}

#[cfg(test)]
thread_local! {
    /// The defect of this thread's core.
    pub(crate) static PLANTED: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
}

/// Whether this defect is planted.
#[cfg(test)]
pub(crate) fn is_planted(defect: Defect) -> bool {
    PLANTED.get() == Some(defect)
}

/// No.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn is_planted(_: Defect) -> bool {
    false
}
