//! The application of a simulation: echo, and a little of everything else.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::{CLOSE_ME, FILL_ME};
use crate::admission::{Admission, Opening, Verdict};
use crate::application::{Application, Message, Reply};
use crate::counters::{CloseCode, CloseReason};
use crate::{Broadcast, ConnectionId, Context, HandshakeId, MessageKind, Prepared, TooManyBroadcasts};

/// Who pushes messages: each keeps its own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// Another thread.
    Outside,
    /// The application of this shard.
    Shard(usize),
}

/// What was pushed to one peer by one source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pushed {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

/// What the application knows, and the simulation too.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) pushed: BTreeMap<(usize, Source), Pushed>,
    /// How many messages each source has sent to all, and when the drain for the end began.
    pub(super) broadcasts: BTreeMap<Source, usize>,
    pub(super) broadcasts_before_drain: BTreeMap<Source, usize>,
    /// Bytes of all of them.
    broadcast_bytes: usize,
    /// How many there were when a peer's connection was opened, and by which shard.
    pub(super) at_opening: BTreeMap<usize, Opened>,
    /// Those that were accepted, and how many were not.
    pub(super) accepted: Vec<Broadcast>,
    pub(super) refused: u64,
    /// Which peer's an opening handshake is.
    asking: BTreeMap<HandshakeId, usize>,
    /// Those that were put off.
    pub(super) deferred: Vec<HandshakeId>,
    /// Which peer's a connection is.
    pub(super) open: BTreeMap<ConnectionId, usize>,
    /// How often a connection was opened and closed.
    pub(super) opened: u64,
    pub(super) closed: u64,
}

impl Book {
    /// The next message that this source pushes to a peer.
    pub(super) fn push(&mut self, peer: usize, source: Source, len: usize) -> String {
        let pushed = self.pushed.entry((peer, source)).or_default();
        let before = self.broadcasts.get(&source).copied().unwrap_or(0);
        let text = format!("{:len$}", format!("push {peer} {source:?} {} {before}", pushed.count));
        (pushed.count, pushed.bytes) = (pushed.count + 1, pushed.bytes + text.len());
        text
    }

    /// Bytes pushed to a peer.
    pub(super) fn bytes_pushed(&self, to: usize) -> usize {
        let own = self.pushed.iter().filter(|((peer, _), _)| *peer == to).map(|(_, pushed)| pushed.bytes);
        own.sum::<usize>() + self.broadcast_bytes
    }
}

impl Book {
    /// A source sends its next message to all, by `send`.
    pub(super) fn broadcast(
        &mut self,
        source: Source,
        len: usize,
        send: impl FnOnce(&Prepared) -> Result<Broadcast, TooManyBroadcasts>,
    ) {
        let count = self.broadcasts.entry(source).or_default();
        let text = format!("{:len$}", format!("all {source:?} {count}"));
        match send(&Prepared::new(MessageKind::Text, &[text.as_bytes()])) {
            Ok(broadcast) => {
                *count += 1;
                self.broadcast_bytes += text.len();
                self.accepted.push(broadcast);
            }
            Err(TooManyBroadcasts) => self.refused += 1,
        }
    }
}

/// What had been sent to all when a connection was opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Opened {
    pub(super) shard: usize,
    pub(super) broadcasts: BTreeMap<Source, usize>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Busy {
    pub(super) shard: usize,
    pub(super) book: Rc<RefCell<Book>>,
    /// A defect: one message in so many is not answered.
    pub(super) forgets_every: Option<usize>,
    pub(super) messages: usize,
    pub(super) takes_requests: bool,
}

impl Application for Busy {
    fn takes_requests(&self) -> bool {
        self.takes_requests
    }

    fn open(&mut self, _context: &mut Context<'_>, opening: &Opening<'_>) -> Admission {
        let mut book = self.book.borrow_mut();
        let target = opening.request.path();
        let mut parts = target.trim_start_matches('/').split('/');
        let (path, peer) = (parts.next(), parts.next().and_then(|it| it.parse().ok()));
        let Some(peer) = peer else { return refuse() };
        book.asking.insert(opening.id, peer);
        match path {
            Some("echo") => Admission::Now(Verdict::Accept { subprotocol: None }),
            Some("later") => {
                book.deferred.push(opening.id);
                Admission::Later
            }
            _ => refuse(),
        }
    }

    fn opened(&mut self, context: &mut Context<'_>, id: ConnectionId, handshake: HandshakeId) {
        let peer = {
            let mut book = self.book.borrow_mut();
            book.opened += 1;
            let peer = book.asking.remove(&handshake).expect("it asked first");
            assert!(book.open.insert(id, peer).is_none(), "{id} is opened once");
            let opened = Opened { shard: self.shard, broadcasts: book.broadcasts.clone() };
            book.at_opening.insert(peer, opened);
            peer
        };
        match peer % 5 {
            0 => self.push(context, id, 0),
            1 => {
                // To the one that came first, on whatever shard.
                let first = self.book.borrow().open.keys().next().copied();
                first.into_iter().for_each(|first| self.push(context, first, 0));
            }
            _ => {}
        }
    }

    fn message(&mut self, context: &mut Context<'_>, from: ConnectionId, message: Message<'_>) -> Reply {
        assert!(self.book.borrow().open.contains_key(&from), "a message comes from an open connection");
        self.messages += 1;
        if message.payload == CLOSE_ME {
            context.close(from, 4001, "as you wish");
            return Reply::None;
        }
        if message.payload == FILL_ME {
            // More than any outbox takes; the echo comes too late.
            (0..24).for_each(|_| self.push(context, from, 60 << 10));
            return Reply::Echo;
        }
        if self.forgets_every.is_some_and(|every| self.messages.is_multiple_of(every)) {
            return Reply::None;
        }
        if self.messages.is_multiple_of(17) {
            let source = Source::Shard(self.shard);
            self.book.borrow_mut().broadcast(source, 0, |message| context.send_to_all(message));
            // Both this and the echo come behind it.
            self.push(context, from, 0);
        }
        if self.messages.is_multiple_of(3) {
            // The other way to echo.
            context.send(from, message.kind, &[&message.payload[..0], message.payload]);
            return Reply::None;
        }
        Reply::Echo
    }

    fn closed(&mut self, _context: &mut Context<'_>, id: ConnectionId, _: CloseReason, _: CloseCode) {
        let mut book = self.book.borrow_mut();
        book.closed += 1;
        assert!(book.open.remove(&id).is_some(), "{id} was open, and is closed once");
    }
}

impl Busy {
    fn push(&self, context: &mut Context<'_>, to: ConnectionId, len: usize) {
        let mut book = self.book.borrow_mut();
        let Some(peer) = book.open.get(&to).copied() else { return };
        let before = book.pushed.clone();
        let text = book.push(peer, Source::Shard(self.shard), len);
        if !context.send(to, MessageKind::Text, &[text.as_bytes()]) {
            book.pushed = before;
        }
    }
}

fn refuse() -> Admission {
    Admission::Now(Verdict::Refuse { status: 403, reason: "not you".to_owned() })
}
