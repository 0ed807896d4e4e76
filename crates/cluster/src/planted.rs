//! Defects that tests plant, to show that the simulation notices. Outside of tests there are none.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// What comes back to its publisher is delivered there once more.
    HearsItself,
    /// Numbers are not looked at: what came before comes again.
    IgnoresNumbers,
    /// Whoever says nothing has said no.
    SilenceIsNo,
    /// Those who are left out are not said.
    ForgetsTheExcluded,
    /// What was missed is not counted.
    CountsNoGap,
    /// Nodes that have gone are kept for ever.
    RemembersTheDead,
    /// Nodes are forgotten as soon as they have gone.
    ForgetsAtOnce,
    /// A name goes with the first member that leaves.
    NameGoesWithTheFirst,
    /// An answer counts for whoever is asked.
    CountsAnswersTwice,
    /// Those who leave are waited for.
    WaitsForTheGone,
    /// Questions stay when nobody answers.
    KeepsQuestions,
    /// A number is given out though the bus did not take the message.
    NumbersTheUnsent,
    /// A node is ready as soon as its bus is.
    ReadyAtOnce,
    /// Another hub's are taken for one's own.
    MixesHubs,
    /// Others are taken for gone when it is one's own bus that stands still.
    BlamesOthers,
    /// The list of nodes is taken for whole as soon as the bus is back.
    TrustsAnOldList,
}

#[cfg(test)]
impl Defect {
    pub(crate) const ALL: [Self; 16] = [
        Self::HearsItself,
        Self::IgnoresNumbers,
        Self::SilenceIsNo,
        Self::ForgetsTheExcluded,
        Self::CountsNoGap,
        Self::RemembersTheDead,
        Self::ForgetsAtOnce,
        Self::NameGoesWithTheFirst,
        Self::CountsAnswersTwice,
        Self::WaitsForTheGone,
        Self::KeepsQuestions,
        Self::NumbersTheUnsent,
        Self::ReadyAtOnce,
        Self::MixesHubs,
        Self::BlamesOthers,
        Self::TrustsAnOldList,
    ];
}

#[cfg(test)]
thread_local! {
    /// The defect of this thread's nodes.
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
