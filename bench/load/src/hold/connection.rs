//! One connection that is held, in as few bytes as may be: a million of them are meant to fit.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::frame::FrameReader;

/// Payload of an own ping or message.
pub(super) const QUESTION_BYTES: usize = 16;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum State {
    /// Nothing: not open.
    #[default]
    Closed,
    /// The connect.
    Connecting,
    /// The answer to the opening handshake.
    Handshaking,
    /// Whatever comes.
    Open,
    /// The pong to an own ping.
    AskedPing,
    /// The echo of an own message.
    AskedMessage,
    /// The answer to an own close frame.
    Closing,
    /// The end of the stream, after the answer to an own close frame.
    CloseReceived,
    /// The end of the stream, after a frame that the server must refuse.
    Refused,
}

/// What it means when a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    Already,
    Failed,
    Lost,
    Unclean,
    Closed,
}

impl State {
    /// Whether a question of ours is open.
    pub(super) const fn is_asked(self) -> bool {
        matches!(self, Self::AskedPing | Self::AskedMessage)
    }

    pub(super) const fn ending(self) -> Ending {
        match self {
            Self::Closed => Ending::Already,
            Self::Connecting | Self::Handshaking => Ending::Failed,
            Self::Open | Self::AskedPing | Self::AskedMessage => Ending::Lost,
            Self::Closing => Ending::Unclean,
            Self::CloseReceived | Self::Refused => Ending::Closed,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Connection {
    reader: FrameReader,
    descriptor: Option<OwnedFd>,
    /// Bytes of the message to all that were right so far.
    heard_len: u32,
    /// Number of the last one that was heard.
    heard: u8,
    /// Bytes of the answer to an own message that were right so far.
    answer_len: u8,
    state: State,
}

/// 48 bytes for each of a million connections.
const _: () = assert!(size_of::<Connection>() <= 48);

impl Connection {
    pub(super) fn connecting(descriptor: OwnedFd) -> Self {
        Self { descriptor: Some(descriptor), state: State::Connecting, ..Self::default() }
    }

    pub(super) fn open(descriptor: OwnedFd) -> Self {
        Self { descriptor: Some(descriptor), state: State::Open, ..Self::default() }
    }

    pub(super) fn into_descriptor(self) -> Option<OwnedFd> {
        self.descriptor.filter(|_| self.state == State::Open)
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.descriptor.as_ref().map(AsFd::as_fd)
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn set_state(&mut self, state: State) {
        self.state = state;
    }

    pub(super) fn ask(&mut self, state: State) {
        self.answer_len = 0;
        self.state = state;
    }

    /// Closes the descriptor.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// The head of an answer so far and `bytes`, where the head was cut before.
    pub(super) fn join_head(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut head = self.reader.take_scratch()?;
        head.extend_from_slice(bytes);
        Some(head)
    }

    /// Keeps the head of an answer until the rest of it comes.
    pub(super) fn keep_head(&mut self, head: &[u8]) {
        self.reader.put_scratch(head.to_vec());
    }

    pub(super) fn take_reader(&mut self) -> FrameReader {
        std::mem::take(&mut self.reader)
    }

    pub(super) fn put_reader(&mut self, reader: FrameReader) {
        if self.state != State::Closed {
            self.reader = reader;
        }
    }

    /// The number of the last message to all that it has heard.
    pub(super) fn heard(&self) -> u8 {
        self.heard
    }

    /// A piece of message `number` to all, which is `expected`: whether it is right, once that is known.
    pub(super) fn hear(&mut self, number: u8, expected: &[u8], bytes: &[u8], last: bool) -> Option<bool> {
        let start = self.heard_len as usize;
        let end = start + bytes.len();
        if self.heard == number || expected.get(start..end) != Some(bytes) {
            return Some(false);
        }
        self.heard_len = if last { 0 } else { u32::try_from(end).unwrap_or(u32::MAX) };
        if last {
            self.heard = number;
        }
        last.then_some(end == expected.len())
    }

    /// A piece of a message: whether the answer is right, once that is known.
    pub(super) fn check_answer(
        &mut self,
        question: &[u8; QUESTION_BYTES],
        bytes: &[u8],
        last: bool,
    ) -> Option<bool> {
        let start = usize::from(self.answer_len);
        let expected = question.get(start..start + bytes.len());
        if self.state != State::AskedMessage || expected != Some(bytes) {
            return Some(false);
        }
        let answer_len = start + bytes.len();
        self.answer_len = u8::try_from(answer_len).unwrap_or(u8::MAX);
        last.then_some(answer_len == QUESTION_BYTES)
    }
}
