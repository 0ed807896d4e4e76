//! The same stream through this crate and through tungstenite.

use std::io::{self, Cursor, Read, Write};

use tungstenite::error::{Error, ProtocolError as Theirs};
use tungstenite::protocol::{CloseFrame, Message, Role, WebSocket, WebSocketConfig};

use super::receive::{Event, Verdict, receive};
use crate::{Limits, MessageKind, ProtocolError};

/// What both are given as limits.
pub const LIMITS: Limits = Limits { frame_bytes_max: 600, message_bytes_max: 1000 };

/// Zeros that complete any header and any payload within [`LIMITS`].
const REST: [u8; 700] = [0; 700];

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The bytes were used up.
    Open,
    /// A Close frame arrived.
    Closed,
    /// The connection must be failed with this code.
    Failed(u16),
}

/// What this crate says, reading in pieces of these sizes as [`receive`] does.
#[must_use]
pub fn ours(stream: &[u8], sizes: &[usize]) -> (Vec<Event>, End) {
    let Verdict { events, error, .. } = receive(stream, sizes, &LIMITS);
    let end = match error {
        Some(error) => End::Failed(error.close_code()),
        None if matches!(events.last(), Some(Event::Close(..))) => End::Closed,
        None => End::Open,
    };
    (events, end)
}

/// What tungstenite says.
///
/// # Panics
///
/// When it says something that is no verdict on the stream.
#[must_use]
pub fn theirs(stream: &[u8]) -> (Vec<Event>, End) {
    let config = WebSocketConfig::default()
        .max_frame_size(usize::try_from(LIMITS.frame_bytes_max).ok())
        .max_message_size(Some(LIMITS.message_bytes_max))
        .read_buffer_size(4096);
    let mut socket = WebSocket::from_raw_socket(Wire(Cursor::new(stream)), Role::Server, Some(config));
    let mut events = Vec::new();
    loop {
        let event = match socket.read() {
            Ok(Message::Text(text)) => Event::Message(MessageKind::Text, text.as_bytes().to_vec()),
            Ok(Message::Binary(bytes)) => Event::Message(MessageKind::Binary, bytes.to_vec()),
            Ok(Message::Ping(bytes)) => Event::Ping(bytes.to_vec()),
            Ok(Message::Pong(bytes)) => Event::Pong(bytes.to_vec()),
            Ok(Message::Close(frame)) => close_event(frame),
            Ok(Message::Frame(frame)) => panic!("a raw frame was read: {frame:?}"),
            Err(error) => return (events, end_of(&error)),
        };
        events.push(event);
    }
}

fn close_event(frame: Option<CloseFrame>) -> Event {
    match frame {
        Some(frame) => Event::Close(Some(frame.code.into()), frame.reason.as_bytes().to_vec()),
        None => Event::Close(None, Vec::new()),
    }
}

fn end_of(error: &Error) -> End {
    match error {
        Error::ConnectionClosed => End::Closed,
        Error::Protocol(Theirs::ResetWithoutClosingHandshake) => End::Open,
        Error::Protocol(_) => End::Failed(1002),
        Error::Utf8(_) => End::Failed(1007),
        Error::Capacity(_) => End::Failed(1009),
        other => panic!("not a verdict on the stream: {other}"),
    }
}

/// Reads what it is given; writes go nowhere.
struct Wire<R>(R);

impl<R: Read> Read for Wire<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R> Write for Wire<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Any bytes as a connection's input: both find the same messages, and what either refuses the other does not accept.
///
/// # Panics
///
/// When the two differ in a way that the standard does not ask for.
pub fn differential(stream: &[u8]) {
    let Verdict { events, error, .. } = receive(stream, &[], &LIMITS);
    let Some(error) = error else { return agree(stream, &events) };
    // This crate judges bytes that are there; tungstenite waits for the whole frame. So it gets the rest of it.
    let (their_events, their_end) = theirs(&[stream, &REST].concat());
    let refused = match their_end {
        End::Failed(code) => their_events == events && is_same_refusal(error, code),
        End::Open | End::Closed => false,
    };
    let allowed = refused || is_more_lenient(error, &events, &their_events);
    assert!(allowed, "ours {events:?} {error:?}, theirs {their_events:?} {their_end:?}");
}

/// This crate found nothing wrong.
fn agree(stream: &[u8], events: &[Event]) {
    let (mut their_events, their_end) = theirs(stream);
    if let Some(close @ Event::Close(Some(1014), _)) = events.last() {
        // IANA has registered 1014, Bad Gateway; tungstenite reports a Close frame with the 1002 that it answers.
        let reported = Event::Close(Some(1002), b"Protocol violation".to_vec());
        assert_eq!(their_events.pop(), Some(reported));
        their_events.push(close.clone());
    }
    let our_end = if matches!(events.last(), Some(Event::Close(..))) { End::Closed } else { End::Open };
    assert_eq!((&their_events[..], their_end), (events, our_end), "theirs and ours");
}

/// Whether tungstenite refused for the same reason, or for another that the same frame gives it: it looks at a length
/// before most of the header, and at a close reason before the code.
fn is_same_refusal(error: ProtocolError, code: u16) -> bool {
    match (error.close_code(), code) {
        (ours, theirs) if ours == theirs => true,
        (1002, 1009) => true,
        (1002, 1007) => error == ProtocolError::CloseCode,
        _ => false,
    }
}

/// Where tungstenite accepts what the standard forbids.
fn is_more_lenient(error: ProtocolError, ours: &[Event], theirs: &[Event]) -> bool {
    match error {
        // RFC 6455 5.2: "the minimal number of bytes MUST be used to encode the length"; a control frame's too.
        ProtocolError::LengthNotMinimal | ProtocolError::ControlTooLong => theirs.starts_with(ours),
        // RFC 6455 7.4.1, 7.4.2: it reports a Close frame with the 1002 that it answers.
        ProtocolError::CloseCode => {
            let close = Event::Close(Some(1002), b"Protocol violation".to_vec());
            theirs.split_last() == Some((&close, ours))
        }
        _ => false,
    }
}
