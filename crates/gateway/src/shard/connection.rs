//! The record of a connection.

use std::collections::VecDeque;

use bytes::Bytes;
use holdfast_proto::{Opcode, Receiver, WindowBits};

use super::policy::Policy;
use crate::counters::{CloseCode, CloseReason};

/// Bytes from one record to the next in the slab.
pub const CONNECTION_BYTES_MAX: usize = 64;

/// A connection, after the opening handshake. What an idle one does not need hangs off a pointer that is null then.
#[derive(Debug)]
pub(crate) struct Connection {
    /// What came in so far of a message that is not whole.
    pub(crate) receiver: Receiver,
    /// What waits to be sent, and deadlines.
    pub(crate) extra: Option<Box<Extra>>,
    pub(crate) generation: u32,
    /// Second of the shard's clock at which something was heard last.
    pub(crate) last_heard: u32,
    /// Second at which a ping is due, if pings are sent.
    pub(crate) next_ping: u32,
    /// Bytes of the send that is in flight; 0 when there is none.
    pub(crate) sending: u32,
    /// Bytes of the 101 answer that have not gone yet: they belong to the opening handshake and count nowhere.
    pub(crate) answer_left: u16,
    pub(crate) state: State,
    /// Whether the driver was asked for the next bytes and has not answered.
    pub(crate) receiving: bool,
    /// Whether it is in the list of connections with something to send.
    pub(crate) dirty: bool,
    pub(crate) marks: Marks,
    /// Why it ends, once it does.
    pub(crate) reason: CloseReason,
    pub(crate) code: CloseCode,
}

const _: () = assert!(size_of::<Connection>() <= CONNECTION_BYTES_MAX);

/// Four things in one byte, for which the record would have to grow otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks(u8);

impl Marks {
    const CLOSE_REQUESTED: u8 = 0x80;
    const LOGGED: u8 = 0x40;
    /// Window bits less 8, of which none has only the lowest value.
    const WINDOW: u8 = 0x07;
    const NO_WINDOW: u8 = 8;
    const BROADCAST: u8 = 0x38;
    const BROADCAST_SHIFT: u32 = 3;
    /// Numbers of broadcasts are modulo this.
    pub(crate) const BROADCASTS: u8 = 8;

    /// `window` is what was agreed on, if permessage-deflate was.
    pub(crate) fn new(window: Option<WindowBits>) -> Self {
        Self(window.map_or(0, |window| window.get() - Self::NO_WINDOW))
    }

    /// The window its messages are compressed with, if they are.
    pub(crate) fn window(self) -> Option<WindowBits> {
        WindowBits::new((self.0 & Self::WINDOW) + Self::NO_WINDOW)
    }

    /// Whether it is in the list of connections to close.
    pub(crate) fn close_requested(self) -> bool {
        self.0 & Self::CLOSE_REQUESTED != 0
    }

    /// Whether the access log will tell of its end.
    pub(crate) fn is_logged(self) -> bool {
        self.0 & Self::LOGGED != 0
    }

    /// Notes that the access log will tell of its end.
    pub(crate) fn log(&mut self) {
        self.0 |= Self::LOGGED;
    }

    /// The number of the newest broadcast that it has.
    pub(crate) fn broadcast(self) -> u8 {
        (self.0 & Self::BROADCAST) >> Self::BROADCAST_SHIFT
    }

    /// Notes the number of the newest broadcast that it has.
    pub(crate) fn set_broadcast(&mut self, number: u8) {
        self.0 = (self.0 & !Self::BROADCAST) | (number % Self::BROADCASTS) << Self::BROADCAST_SHIFT;
    }

    /// Notes that it has the next one.
    pub(crate) fn next_broadcast(&mut self) {
        self.set_broadcast(self.broadcast() + 1);
    }

    /// Notes that it is in the list of connections to close.
    pub(crate) fn request_close(&mut self) {
        self.0 |= Self::CLOSE_REQUESTED;
    }
}

/// How far a connection is on its way from open to gone. Names of RFC 6455 7.1 where it has some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Messages go both ways.
    Open,
    /// Our close frame is on its way or there; the peer's is to come.
    CloseSent,
    /// Nothing more is expected: close when what waits has been sent.
    Finishing,
    /// Nothing more can be understood: send what waits, say end of stream, read and discard until the peer closes.
    /// Closing with input unread would reset the connection, and the peer might never see the close frame.
    Lingering,
    /// The driver was asked to close.
    Released,
}

impl State {
    /// Whether the application may still send.
    pub(crate) fn may_send(self) -> bool {
        match self {
            State::Open => true,
            State::CloseSent | State::Finishing | State::Lingering | State::Released => false,
        }
    }

    /// Whether input is of any interest.
    pub(crate) fn may_receive(self) -> bool {
        match self {
            State::Open | State::CloseSent | State::Lingering => true,
            State::Finishing | State::Released => false,
        }
    }
}

/// What only a busy, slow or closing connection has.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Whole frames, and the rest of one, in the order in which they are sent.
    pub(crate) outbox: VecDeque<Bytes>,
    /// Bytes in `outbox`, with what each piece takes besides.
    pub(crate) outbox_bytes: usize,
    /// The first of them are the rest of something that has gone in part: nothing else may be sent before it.
    pub(crate) front_is_rest: bool,
    /// Second at which the closing handshake is given up.
    pub(crate) close_deadline: Option<u32>,
    /// Second at which a send that makes no progress is given up.
    pub(crate) send_deadline: Option<u32>,
    /// A send went only in part: the next ones wait for the peer.
    pub(crate) blocked: bool,
    /// Bytes read and thrown away while lingering.
    pub(crate) discarded: usize,
    /// End of stream was said.
    pub(crate) shut: bool,
}

impl Extra {
    /// Whether nothing in it is of use.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_empty() && self.close_deadline.is_none() && !self.shut
    }
}

/// What a piece of output takes while it is queued: its bytes, and 64 for its place in the queue (32, and as many spare
/// ones) and the allocator. Millions of tiny frames are not to pass for a few megabytes.
pub(crate) fn queued_bytes(bytes: &Bytes) -> usize {
    bytes.len() + Policy::QUEUED_BYTES
}

/// The opcode of a whole frame.
pub(crate) fn opcode_of(frame: &Bytes) -> Option<Opcode> {
    // RFC 6455 5.2: the low four bits of the first byte.
    frame.first().and_then(|byte| Opcode::from_bits(byte & 0x0f))
}

impl Connection {
    /// `window` as for [`Marks::new`].
    pub(crate) fn new(generation: u32, now: u32, next_ping: u32, window: Option<WindowBits>) -> Self {
        Self {
            receiver: Receiver::new(),
            extra: None,
            generation,
            last_heard: now,
            next_ping,
            sending: 0,
            answer_left: 0,
            state: State::Open,
            receiving: false,
            dirty: false,
            marks: Marks::new(window),
            reason: CloseReason::Gone,
            code: CloseCode::None,
        }
    }

    pub(crate) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    pub(crate) fn outbox_bytes(&self) -> usize {
        self.extra.as_ref().map_or(0, |extra| extra.outbox_bytes)
    }

    /// Whether a send is in flight or waiting.
    pub(crate) fn is_sending(&self) -> bool {
        self.sending > 0 || self.outbox_bytes() > 0
    }

    /// Puts bytes at the end of the outbox.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        let extra = self.extra();
        extra.outbox_bytes += queued_bytes(&bytes);
        extra.outbox.push_back(bytes);
    }

    /// Puts the rest of a frame back to the front, or something else that nothing may come before.
    pub(crate) fn push_front(&mut self, bytes: Bytes) {
        let extra = self.extra();
        extra.outbox_bytes += queued_bytes(&bytes);
        extra.outbox.push_front(bytes);
        extra.front_is_rest = true;
    }

    /// Takes the next bytes to send.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let extra = self.extra.as_mut()?;
        let bytes = extra.outbox.pop_front()?;
        extra.outbox_bytes -= queued_bytes(&bytes);
        extra.front_is_rest = false;
        Some(bytes)
    }

    /// Takes out the oldest message of which nothing has gone yet. Control frames stay.
    pub(crate) fn drop_oldest(&mut self) -> Option<Bytes> {
        let extra = self.extra.as_mut()?;
        let is_message = |frame: &Bytes| opcode_of(frame).is_some_and(|opcode| !opcode.is_control());
        let rest = usize::from(extra.front_is_rest);
        let index = rest + extra.outbox.iter().skip(rest).position(is_message)?;
        let bytes = extra.outbox.remove(index)?;
        extra.outbox_bytes -= queued_bytes(&bytes);
        Some(bytes)
    }

    /// Takes out the newest frame if it is a pong of which nothing has gone yet.
    pub(crate) fn drop_newest_pong(&mut self) -> Option<Bytes> {
        let extra = self.extra.as_mut()?;
        let whole = extra.outbox.len() > usize::from(extra.front_is_rest);
        if !whole || extra.outbox.back().and_then(opcode_of) != Some(Opcode::Pong) {
            return None;
        }
        let bytes = extra.outbox.pop_back()?;
        extra.outbox_bytes -= queued_bytes(&bytes);
        Some(bytes)
    }

    /// Throws the outbox away. What is in flight stays, and so does the rest of what has gone in part, or the peer
    /// would take the next frame for it. Returns how many bytes went.
    pub(crate) fn clear_outbox(&mut self) -> usize {
        let Some(extra) = &mut self.extra else { return 0 };
        extra.outbox.truncate(usize::from(extra.front_is_rest));
        let left = extra.outbox.iter().map(queued_bytes).sum();
        std::mem::replace(&mut extra.outbox_bytes, left) - left
    }

    /// Frees what an idle connection does not need.
    pub(crate) fn shrink(&mut self) {
        if self.sending == 0 && self.extra.as_ref().is_some_and(|extra| extra.is_idle()) {
            self.extra = None;
        }
    }

    /// Notes why the connection ends; the first reason stays.
    pub(crate) fn ends_with(&mut self, reason: CloseReason, code: CloseCode) {
        if self.state.may_send() {
            (self.reason, self.code) = (reason, code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stride_between_two_records_is_at_most_64_bytes() {
        let mut slab = slab::Slab::with_capacity(2);
        let first = slab.insert(Connection::new(0, 0, 0, None));
        let second = slab.insert(Connection::new(0, 0, 0, None));
        let stride = std::ptr::from_ref(&slab[second]).addr() - std::ptr::from_ref(&slab[first]).addr();
        assert!(stride <= CONNECTION_BYTES_MAX, "{stride} bytes");
        assert_eq!(stride, size_of::<Connection>(), "the slab adds nothing to a record");
    }

    #[test]
    fn marks_keep_window_broadcast_and_close_request_apart() {
        for window in WindowBits::all().map(Some).chain([None]) {
            let mut marks = Marks::new(window);
            assert_eq!(marks.window(), window);
            assert_eq!((marks.close_requested(), marks.broadcast()), (false, 0));
            for number in 1..=2 * Marks::BROADCASTS {
                marks.next_broadcast();
                assert_eq!((marks.broadcast(), marks.window()), (number % Marks::BROADCASTS, window));
            }
            assert!(!marks.close_requested());
            marks.set_broadcast(7);
            marks.request_close();
            assert_eq!((marks.close_requested(), marks.broadcast()), (true, 7));
            assert_eq!(marks.window(), window);
        }
    }

    #[test]
    fn the_rest_of_a_frame_stays_when_the_outbox_is_thrown_away() {
        let mut connection = Connection::new(0, 0, 0, None);
        connection.push(Bytes::from_static(b"a whole frame"));
        connection.push_front(Bytes::from_static(b"rest"));
        assert_eq!((connection.clear_outbox(), connection.outbox_bytes()), (13 + 64, 4 + 64));
        assert_eq!(connection.pop().as_deref(), Some(&b"rest"[..]));
        connection.push(Bytes::from_static(b"a whole frame"));
        assert_eq!((connection.clear_outbox(), connection.outbox_bytes()), (13 + 64, 0));
    }

    #[test]
    fn an_idle_connection_owns_nothing_on_the_heap() {
        let mut connection = Connection::new(0, 0, 0, None);
        connection.push(Bytes::from_static(b"hello"));
        connection.push_front(Bytes::from_static(b"oh, "));
        assert_eq!(connection.outbox_bytes(), 9 + 2 * 64);
        connection.shrink();
        assert!(connection.extra.is_some());
        assert_eq!(connection.pop().as_deref(), Some(&b"oh, "[..]));
        assert_eq!(connection.pop().as_deref(), Some(&b"hello"[..]));
        connection.shrink();
        assert!(connection.extra.is_none() && connection.receiver.is_idle());
    }

    const PONG: Bytes = Bytes::from_static(b"\x8a\x01a");
    const TEXT: Bytes = Bytes::from_static(b"\x81\x01a");

    #[test]
    fn the_oldest_message_is_dropped_and_never_the_rest_of_one_or_a_control_frame() {
        let mut connection = Connection::new(0, 0, 0, None);
        assert_eq!(connection.drop_oldest(), None);
        connection.push(PONG);
        connection.push(TEXT);
        connection.push(Bytes::from_static(b"\x82\x00"));
        // It looks like a message, and is the end of one.
        connection.push_front(TEXT);
        assert_eq!(connection.drop_oldest(), Some(TEXT));
        assert_eq!(connection.drop_oldest().as_deref(), Some(&b"\x82\x00"[..]));
        assert_eq!((connection.drop_oldest(), connection.outbox_bytes()), (None, 2 * (3 + 64)));
        assert_eq!([connection.pop(), connection.pop()], [Some(TEXT), Some(PONG)]);
    }

    #[test]
    fn only_a_pong_that_is_whole_and_last_is_replaced() {
        let mut connection = Connection::new(0, 0, 0, None);
        assert_eq!(connection.drop_newest_pong(), None);
        // The rest of something may look like a pong.
        connection.push_front(PONG);
        assert_eq!(connection.drop_newest_pong(), None);
        connection.push(PONG);
        assert_eq!((connection.drop_newest_pong(), connection.outbox_bytes()), (Some(PONG), 3 + 64));
        connection.push(PONG);
        connection.push(TEXT);
        assert_eq!(connection.drop_newest_pong(), None);
        let opcodes = [TEXT, PONG, Bytes::new(), Bytes::from_static(b"\x03")].map(|frame| opcode_of(&frame));
        assert_eq!(opcodes, [Some(Opcode::Text), Some(Opcode::Pong), None, None]);
    }
}
