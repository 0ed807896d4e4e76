//! How much an outbox must hold, and what counts as held.

/// What a piece of output takes in an outbox besides its bytes.
pub(crate) const QUEUED_BYTES: usize = 64;
/// A connection with more than this in its outbox is not read from; less where outboxes are small.
pub(crate) const UNSENT_BYTES_MAX: usize = 64 << 10;
/// RFC 6455 5.2: the header of an unmasked frame has at most 10 bytes.
pub(super) const HEADER_BYTES_MAX: usize = 10;

/// How much longer an application's answers are than the messages that they answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// By so many bytes each, at most.
    pub longer_by: usize,
    /// The setting of the application that says so.
    pub setting: Option<&'static str>,
}

/// The smallest outbox that one read of `read_bytes` cannot overfill while the peer reads: the end of a message of
/// `message_bytes_max` and as many empty ones as it holds, all answered while a send is under way, behind what may wait
/// already.
pub(crate) fn outbox_needed(message_bytes_max: usize, read_bytes: usize, longer_by: usize) -> usize {
    // RFC 6455 5.2: an empty frame of a client has 6 bytes.
    let frames = read_bytes / 6 + 1;
    let each = longer_by + HEADER_BYTES_MAX + QUEUED_BYTES;
    let answers = message_bytes_max + read_bytes + frames * each;
    // A quarter of the outbox may be filled when the read begins, or less.
    answers + UNSENT_BYTES_MAX.min(answers.div_ceil(3))
}
