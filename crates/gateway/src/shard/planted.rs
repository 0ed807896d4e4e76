//! Defects that tests plant, to show that the simulation would notice. Outside of tests there are none.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// What is sent to a connection alone overtakes what was published before.
    Overtakes,
    /// What is due to a connection before its memberships change is lost.
    LosesOnChange,
    /// What waits for a connection is forgotten when it is told goodbye.
    SaysGoodbyeFirst,
    /// Those who are left out are not.
    ExcludesNobody,
    /// What is for a group goes to its hub.
    TellsTheHub,
    /// A newcomer outside of hubs hears what was published before it came.
    HearsThePast,
    /// Who is paused is read from.
    ReadsThePaused,
    /// Nobody goes on reading from who is resumed.
    ForgetsTheResumed,
    /// The same, for as long as a send is under way.
    ResumesLate,
    /// A reserved id is not that of the connection.
    GivesAnotherId,
    /// The application is not told that an opening handshake came to nothing.
    AbandonsSilently,
    /// It is told twice.
    AbandonsTwice,
    /// It is not told that a closing handshake begins.
    ClosesSilently,
    /// A shard ends though its application has something under way.
    EndsBusy,
    /// What is sent to a reliable client that is away is not kept.
    KeepsForNobodyAway,
    /// What was on its way to a socket that has gone is not sent to the next.
    SendsNothingAgain,
    /// It is sent that before it is greeted.
    SendsBeforeTheGreeting,
    /// A queue is lost with the socket.
    LosesTheQueue,
    /// What is sent again has other numbers.
    Renumbers,
    /// What is acknowledged goes on counting.
    CountsTheAcknowledged,
    /// Who has a connection back keeps the place that it came with.
    KeepsTwoPlaces,
    /// Who is to be closed for good, and loses its socket before, may come back.
    ForgetsTheLastWord,
    /// Who has ended for good is kept all the same.
    KeepsTheDead,
    /// What a client says that it has is sent again all the same.
    ForgetsAcknowledgements,
    /// A name is said to have members when it has none any more.
    NeverTakesBack,
    /// One that is away is in no hub.
    LeavesWhenAway,
}

#[cfg(test)]
impl Planted {
    pub(crate) const ALL: [Self; 14] = [
        Self::Overtakes,
        Self::LosesOnChange,
        Self::SaysGoodbyeFirst,
        Self::ExcludesNobody,
        Self::TellsTheHub,
        Self::HearsThePast,
        Self::ReadsThePaused,
        Self::ForgetsTheResumed,
        Self::ResumesLate,
        Self::GivesAnotherId,
        Self::AbandonsSilently,
        Self::AbandonsTwice,
        Self::ClosesSilently,
        Self::EndsBusy,
    ];

    /// Those of reliable clients.
    pub(crate) const RELIABLE: [Self; 12] = [
        Self::ForgetsTheLastWord,
        Self::KeepsForNobodyAway,
        Self::SendsNothingAgain,
        Self::SendsBeforeTheGreeting,
        Self::LosesTheQueue,
        Self::Renumbers,
        Self::CountsTheAcknowledged,
        Self::KeepsTwoPlaces,
        Self::KeepsTheDead,
        Self::ForgetsAcknowledgements,
        Self::NeverTakesBack,
        Self::LeavesWhenAway,
    ];
}

#[cfg(test)]
thread_local! {
    /// The defect of this thread's shards.
    pub(crate) static PLANTED: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

/// Whether this defect is planted.
#[cfg(test)]
pub(crate) fn is_planted(defect: Planted) -> bool {
    PLANTED.get() == Some(defect)
}

/// No.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn is_planted(_: Planted) -> bool {
    false
}
