//! Defects that tests plant, to show that comparing with the reference finds them, and steps that tests count. Outside
//! of tests there are neither.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// `or` is as `and`.
    OrIsAnd,
    /// `or` binds tighter than `and`.
    OrBindsTighter,
    /// `not` says what it is given.
    NotIsNothing,
    /// The last of more than two that `and` or `or` joins is forgotten.
    JoinsTwo,
    /// Null is not equal to null.
    NullIsUnequal,
    /// Null is less than all else.
    NullIsLess,
    /// What is equal is not greater or equal.
    EqualIsNotGreaterOrEqual,
    /// Letter case does not count.
    IgnoresCase,
    /// `''` within a text stays two.
    KeepsBothQuotes,
    /// A list of literals is searched as if it were in order.
    SearchesUnsorted,
    /// The last of a list is forgotten.
    ForgetsTheLast,
    /// The connection's id is taken for the user's.
    MixesNames,
    /// A user that is not there is an empty one.
    NobodyIsEmpty,
    /// `startswith` of null is true.
    NullStartsWithAnything,
    /// `endswith` looks at the beginning.
    EndIsBeginning,
    /// `indexof` begins with 1.
    CountsFromOne,
    /// Bytes are counted, not UTF-16 code units.
    CountsBytes,
    /// Characters are counted, not UTF-16 code units.
    CountsCharacters,
    /// A part that is not within a text is as much of it as is.
    CutsShort,
    /// White space stays at the end.
    TrimsTheStartOnly,
    /// `concat` with null is null.
    ConcatOfNullIsNull,
    /// `ß` is changed to `SS`.
    GrowsByCase,
    /// `length(groups)` counts one too many.
    OneGroupMore,
    /// A sign is forgotten.
    ForgetsTheSign,
}

#[cfg(test)]
impl Defect {
    pub(super) const ALL: [Self; 24] = [
        Self::OrIsAnd,
        Self::OrBindsTighter,
        Self::NotIsNothing,
        Self::JoinsTwo,
        Self::NullIsUnequal,
        Self::NullIsLess,
        Self::EqualIsNotGreaterOrEqual,
        Self::IgnoresCase,
        Self::KeepsBothQuotes,
        Self::SearchesUnsorted,
        Self::ForgetsTheLast,
        Self::MixesNames,
        Self::NobodyIsEmpty,
        Self::NullStartsWithAnything,
        Self::EndIsBeginning,
        Self::CountsFromOne,
        Self::CountsBytes,
        Self::CountsCharacters,
        Self::CutsShort,
        Self::TrimsTheStartOnly,
        Self::ConcatOfNullIsNull,
        Self::GrowsByCase,
        Self::OneGroupMore,
        Self::ForgetsTheSign,
    ];
}

#[cfg(test)]
thread_local! {
    /// The defect of this thread's filters.
    pub(super) static PLANTED: std::cell::Cell<Option<Defect>> = const { std::cell::Cell::new(None) };
    /// Steps of this thread: tokens and nodes.
    pub(super) static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Whether this defect is planted.
#[cfg(test)]
pub(super) fn is_planted(defect: Defect) -> bool {
    PLANTED.get() == Some(defect)
}

/// No.
#[cfg(not(test))]
#[inline(always)]
pub(super) fn is_planted(_: Defect) -> bool {
    false
}

/// One step more.
#[cfg(test)]
pub(super) fn step() {
    STEPS.set(STEPS.get() + 1);
}

/// Nobody counts.
#[cfg(not(test))]
#[inline(always)]
pub(super) fn step() {}
