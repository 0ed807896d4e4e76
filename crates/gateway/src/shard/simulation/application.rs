//! The application of a simulation: echo, and a little of everything else.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::CLOSE_ME;
use crate::application::{Admission, Application, Context, Message, Opening, Reply, Verdict};
use crate::counters::{CloseCode, CloseReason};
use crate::{ConnectionId, HandshakeId};

/// What the application knows, and the simulation too.
#[derive(Debug, Default)]
pub(super) struct Book {
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

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Busy {
    pub(super) book: Rc<RefCell<Book>>,
    /// A defect: one message in so many is not answered.
    pub(super) forgets_every: Option<usize>,
    pub(super) messages: usize,
}

impl Application for Busy {
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

    fn opened(&mut self, _context: &mut Context<'_>, id: ConnectionId, handshake: HandshakeId) {
        let mut book = self.book.borrow_mut();
        book.opened += 1;
        let peer = book.asking.remove(&handshake).expect("it asked first");
        assert!(book.open.insert(id, peer).is_none(), "{id} is opened once");
    }

    fn message(&mut self, context: &mut Context<'_>, from: ConnectionId, message: Message<'_>) -> Reply {
        assert!(self.book.borrow().open.contains_key(&from), "a message comes from an open connection");
        self.messages += 1;
        if message.payload == CLOSE_ME {
            context.close(from, 4001, "as you wish");
            return Reply::None;
        }
        if self.forgets_every.is_some_and(|every| self.messages.is_multiple_of(every)) {
            return Reply::None;
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

fn refuse() -> Admission {
    Admission::Now(Verdict::Refuse { status: 403, reason: "not you".to_owned() })
}
