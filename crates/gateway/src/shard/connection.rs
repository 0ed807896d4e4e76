//! The record of a connection.

use holdfast_proto::{Receiver, WindowBits};

use super::outbox::Outbox;
use super::planted::{Planted, is_planted};
use crate::ConnectionId;
use crate::counters::{CloseCode, CloseReason};
use crate::id::Serial;
use crate::limits::CONNECTION_BYTES_MAX;

/// The key of a record as its owner keeps it, or how many there are: tables are made for a number that has 32 bits.
pub(crate) fn key_of(index: usize) -> u32 {
    u32::try_from(index).expect("a key has 32 bits")
}

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
    /// Second at which a ping is due, if pings are sent; of one that is away, at which it is given up.
    pub(crate) next_ping: u32,
    /// Bytes of the send that is in flight; 0 when there is none.
    pub(crate) sending: u32,
    /// Bytes of the 101 answer that have not gone yet: they belong to the opening handshake and count nowhere.
    pub(crate) answer_left: u16,
    /// With `generation` it tells it from every other owner of its slot.
    pub(crate) epoch: u16,
    /// Its state, and whether it is reliable, ends for good, is paused, received from, dirty.
    status: u8,
    pub(crate) marks: Marks,
    /// Why it ends, once it does.
    pub(crate) reason: CloseReason,
    pub(crate) code: CloseCode,
}

const _: () = assert!(size_of::<Connection>() <= CONNECTION_BYTES_MAX);
// Of these 40 bytes three bits of `marks` are to spare.

/// Three things in one byte, for which the record would have to grow otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks(u8);

impl Marks {
    const CLOSE_REQUESTED: u8 = 0x80;
    const LOGGED: u8 = 0x40;
    /// Window bits less 8, of which none has only the lowest value.
    const WINDOW: u8 = 0x07;
    const NO_WINDOW: u8 = 8;

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

    /// It has another socket, for which this window was agreed on.
    pub(crate) fn set_window(&mut self, window: Option<WindowBits>) {
        self.0 = self.0 & !Self::WINDOW | Self::new(window).0;
    }

    /// What was asked for is of no use any more.
    pub(crate) fn forget_close_request(&mut self) {
        self.0 &= !Self::CLOSE_REQUESTED;
    }

    /// Notes that it is in the list of connections to close.
    pub(crate) fn request_close(&mut self) {
        self.0 |= Self::CLOSE_REQUESTED;
    }
}

/// How far a connection is on its way from open to gone. Names of RFC 6455 7.1 where it has some. Those without a
/// socket are the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
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
    /// It is reliable and has lost its socket: it may come back.
    Away,
}

impl State {
    /// Whether the application may still send.
    pub(crate) fn may_send(self) -> bool {
        match self {
            State::Open => true,
            State::CloseSent | State::Finishing | State::Lingering | State::Released | State::Away => false,
        }
    }

    /// Whether input is of any interest.
    pub(crate) fn may_receive(self) -> bool {
        match self {
            State::Open | State::CloseSent | State::Lingering => true,
            State::Finishing | State::Released | State::Away => false,
        }
    }
}

/// What only a busy, slow or closing connection has.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    pub(crate) outbox: Outbox,
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

/// A closing handshake that is to begin.
#[derive(Debug)]
pub(crate) struct CloseRequest {
    pub(super) id: ConnectionId,
    pub(super) reason: CloseReason,
    pub(super) code: u16,
    pub(super) text: String,
}

impl Connection {
    /// `window` as for [`Marks::new`].
    pub(crate) fn new(owner: Serial, now: u32, next_ping: u32, window: Option<WindowBits>) -> Self {
        Self {
            receiver: Receiver::new(),
            extra: None,
            generation: owner.generation(),
            epoch: owner.epoch(),
            last_heard: now,
            next_ping,
            sending: 0,
            answer_left: 0,
            status: State::Open as u8,
            marks: Marks::new(window),
            reason: CloseReason::Gone,
            code: CloseCode::None,
        }
    }

    const STATE: u8 = 0x07;
    const FOR_GOOD: u8 = 0x08;
    /// Above the state, so that one comparison tells the ordinary from all others.
    const RELIABLE: u8 = 0x10;
    const PAUSED: u8 = 0x20;
    const RECEIVING: u8 = 0x40;
    const DIRTY: u8 = 0x80;

    pub(crate) fn state(&self) -> State {
        match self.status & Self::STATE {
            0 => State::Open,
            1 => State::CloseSent,
            2 => State::Finishing,
            3 => State::Lingering,
            4 => State::Released,
            _ => State::Away,
        }
    }

    pub(crate) fn set_state(&mut self, state: State) {
        self.status = self.status & !Self::STATE | state as u8;
    }

    /// Whether there is still somebody to send to.
    pub(crate) fn has_socket(&self) -> bool {
        self.status & Self::STATE < State::Released as u8
    }

    /// Whether its application has made it reliable.
    pub(crate) fn is_reliable(&self) -> bool {
        self.status & Self::RELIABLE != 0
    }

    /// Notes that it is.
    pub(crate) fn make_reliable(&mut self) {
        self.status |= Self::RELIABLE;
    }

    /// Whether it is as nearly all are: with a socket, and not reliable.
    pub(crate) fn is_ordinary(&self) -> bool {
        self.status & (Self::STATE | Self::RELIABLE) < State::Released as u8
    }

    /// Whether it is ordinary and may be sent to.
    pub(crate) fn is_ordinary_and_open(&self) -> bool {
        self.status & (Self::STATE | Self::RELIABLE) == State::Open as u8
    }

    /// Whether the driver was asked for the next bytes and has not answered.
    pub(crate) fn is_receiving(&self) -> bool {
        self.status & Self::RECEIVING != 0
    }

    pub(crate) fn set_receiving(&mut self, receiving: bool) {
        self.status = self.status & !Self::RECEIVING | if receiving { Self::RECEIVING } else { 0 };
    }

    /// Whether it is in the list of connections with something to send.
    pub(crate) fn is_dirty(&self) -> bool {
        self.status & Self::DIRTY != 0
    }

    pub(crate) fn set_dirty(&mut self, dirty: bool) {
        self.status = self.status & !Self::DIRTY | if dirty { Self::DIRTY } else { 0 };
    }

    /// Whether the application wants nothing more from it for now.
    pub(crate) fn is_paused(&self) -> bool {
        self.status & Self::PAUSED != 0
    }

    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.status = self.status & !Self::PAUSED | if paused { Self::PAUSED } else { 0 };
    }

    pub(crate) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    pub(crate) fn outbox_bytes(&self) -> usize {
        self.extra.as_ref().map_or(0, |extra| extra.outbox.bytes())
    }

    /// Whether a send is in flight or waiting.
    pub(crate) fn is_sending(&self) -> bool {
        self.sending > 0 || self.outbox_bytes() > 0
    }

    /// Frees what an idle connection does not need.
    pub(crate) fn shrink(&mut self) {
        if self.sending == 0 && self.extra.as_ref().is_some_and(|extra| extra.is_idle()) {
            self.extra = None;
        }
    }

    /// Whether it may be recovered after it has lost its socket, or has lost that already. Nobody else is to be sent
    /// anything who is not open.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_reliable()
            && self.status & Self::FOR_GOOD == 0
            && (!ends_for_good(self.reason, self.code) || is_planted(Planted::KeepsTheDead))
    }

    /// Whether what is published is for it: it is open, or reliable and about to be away, or away.
    pub(crate) fn takes_messages(&self) -> bool {
        self.state().may_send() || self.is_kept()
    }

    /// However it loses its socket, it is not to be recovered.
    pub(crate) fn end_for_good(&mut self) {
        self.status |= Self::FOR_GOOD;
    }

    /// Notes why the connection ends; the first reason stays.
    pub(crate) fn ends_with(&mut self, reason: CloseReason, code: CloseCode) {
        if self.state().may_send() {
            (self.reason, self.code) = (reason, code);
        }
    }
}

/// Whether a connection that ends so is not to be recovered: its client has said goodbye, or we have a reason to want
/// it gone. Anything else may be the network's doing.
pub(crate) fn ends_for_good(reason: CloseReason, code: CloseCode) -> bool {
    match reason {
        // Browsers say 1001 when a page is left, which may be to come back.
        CloseReason::Peer => matches!(code, CloseCode::Normal | CloseCode::Empty),
        CloseReason::Gone
        | CloseReason::Reset
        | CloseReason::Unanswered
        | CloseReason::Idle
        | CloseReason::Slow => false,
        CloseReason::Protocol
        | CloseReason::TooBig
        | CloseReason::Unfinished
        | CloseReason::Age
        | CloseReason::Rate
        | CloseReason::Unacknowledged
        | CloseReason::Application
        | CloseReason::Drain => true,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn the_stride_between_two_records_is_at_most_64_bytes() {
        let mut slab = slab::Slab::with_capacity(2);
        let first = slab.insert(Connection::new(Serial::default(), 0, 0, None));
        let second = slab.insert(Connection::new(Serial::default(), 0, 0, None));
        let stride = std::ptr::from_ref(&slab[second]).addr() - std::ptr::from_ref(&slab[first]).addr();
        assert!(stride <= CONNECTION_BYTES_MAX, "{stride} bytes");
        assert_eq!(stride, size_of::<Connection>(), "the slab adds nothing to a record");
    }

    #[test]
    fn marks_keep_window_log_and_close_request_apart() {
        for window in WindowBits::all().map(Some).chain([None]) {
            let mut marks = Marks::new(window);
            assert_eq!(marks.window(), window);
            assert_eq!((marks.close_requested(), marks.is_logged()), (false, false));
            marks.request_close();
            assert_eq!((marks.close_requested(), marks.is_logged()), (true, false));
            marks.log();
            assert_eq!((marks.close_requested(), marks.is_logged()), (true, true));
            assert_eq!(marks.window(), window);
            marks.forget_close_request();
            for other in WindowBits::all().map(Some).chain([None]) {
                marks.set_window(other);
                assert_eq!(marks.window(), other);
                assert_eq!((marks.close_requested(), marks.is_logged()), (false, true));
            }
        }
    }

    #[test]
    fn an_idle_connection_owns_nothing_on_the_heap() {
        let mut connection = Connection::new(Serial::default(), 0, 0, None);
        connection.extra().outbox.push(Bytes::from_static(b"hello"));
        connection.shrink();
        assert!(connection.extra.is_some());
        assert_eq!(connection.extra().outbox.pop().as_deref(), Some(&b"hello"[..]));
        connection.shrink();
        assert!(connection.extra.is_none() && connection.receiver.is_idle());
    }

    #[test]
    fn state_and_what_else_is_true_share_a_byte_and_do_not_meet() {
        let mut connection = Connection::new(Serial::default(), 0, 0, None);
        let states =
            [State::Open, State::CloseSent, State::Finishing, State::Lingering, State::Released, State::Away];
        for state in states {
            assert_eq!((connection.is_ordinary(), connection.is_reliable()), (true, false));
            for bits in 0..8 {
                let [receiving, dirty, paused] = [1, 2, 4].map(|bit| bits & bit != 0);
                connection.set_state(state);
                let has_socket = !matches!(state, State::Released | State::Away);
                assert_eq!((connection.has_socket(), connection.is_ordinary()), (has_socket, has_socket));
                assert_eq!(connection.is_ordinary_and_open(), state == State::Open);
                connection.set_receiving(receiving);
                connection.set_dirty(dirty);
                connection.set_paused(paused);
                let all = (connection.is_receiving(), connection.is_dirty(), connection.is_paused());
                assert_eq!((connection.state(), all), (state, (receiving, dirty, paused)));
            }
            connection.make_reliable();
            assert_eq!((connection.state(), connection.is_reliable()), (state, true));
            assert!(!connection.is_ordinary() && !connection.is_ordinary_and_open() && connection.is_kept());
            connection.end_for_good();
            assert_eq!(
                (connection.state(), connection.is_reliable(), connection.is_kept()),
                (state, true, false)
            );
            connection = Connection::new(Serial::default(), 0, 0, None);
        }
    }
}
