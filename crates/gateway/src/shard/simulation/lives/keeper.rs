//! The application of such a simulation, and what is known of its connections.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use holdfast_cluster::names::Names;
use holdfast_hub::{Form, Hub, Newcomer};
use holdfast_proto::Request;
use holdfast_ring::simulated::Network;

use crate::admission::{Admission, Opening, Verdict};
use crate::application::{Application, Message, Reply};
use crate::counters::{CloseCode, CloseReason};
use crate::{ConnectionId, Context, HandshakeId, MessageKind};

/// Where all are.
pub(super) const ROOM: Hub = Hub(0);

/// A connection of a client, from the first socket to the end.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: ConnectionId,
    /// How often it has ended.
    pub(super) closed: usize,
    /// It was told to go, for good.
    pub(super) is_told_to_go: bool,
    /// When it ended because its client did not come back.
    pub(super) given_up: Option<Duration>,
    /// All up to this number was acknowledged.
    pub(super) acknowledged: u64,
    /// The same, when its client came back for the last time.
    pub(super) resumed_at: u64,
    /// The client knows of it.
    pub(super) is_greeted: bool,
    /// What it is to hear.
    pub(super) owed: Vec<u64>,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) sessions: Vec<Session>,
    pub(super) handed_across: u64,
    /// Where shards say what has members.
    pub(super) names: Arc<Names>,
}

/// The user and the group that a session has beside the room, by its place: some have the same.
pub(super) fn names_of(place: usize) -> (String, String) {
    (format!("user {}", place % 3), format!("group {}", place % 5))
}

impl Book {
    fn place(&self, id: ConnectionId) -> usize {
        self.sessions.iter().position(|session| session.id == id).expect("it was opened")
    }

    fn find(&mut self, id: ConnectionId) -> &mut Session {
        let place = self.place(id);
        &mut self.sessions[place]
    }

    /// A message was sent to one or all: those who know that they are there are to hear it.
    pub(super) fn owe(&mut self, session: Option<usize>, message: u64) {
        for (index, it) in self.sessions.iter_mut().enumerate() {
            let is_there = it.closed == 0 && it.is_greeted && !it.is_told_to_go;
            if is_there && session.is_none_or(|session| session == index) {
                it.owed.push(message);
            }
        }
    }
}

/// The application.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) book: Rc<RefCell<Book>>,
    pub(super) network: Network,
}

impl Keeper {
    /// Whether a request asks for a connection that was there, and which one.
    fn read(request: &Request<'_>) -> Option<(bool, usize)> {
        let mut parts = request.path().trim_start_matches('/').split('/');
        let (what, session) = (parts.next()?, parts.next()?.parse().ok()?);
        Some((what == "back", session))
    }
}

impl Application for Keeper {
    fn may_recover(&self, request: &Request<'_>) -> bool {
        Self::read(request).is_some_and(|(is_back, _)| is_back)
    }

    fn names(&self) -> Option<Arc<Names>> {
        Some(Arc::clone(&self.book.borrow().names))
    }

    fn open(&mut self, context: &mut Context<'_>, opening: &Opening<'_>) -> Admission {
        let (is_back, session) = Self::read(opening.request).expect("they ask for no more");
        if !is_back {
            return Admission::Now(Verdict::Accept { subprotocol: None });
        }
        let mut book = self.book.borrow_mut();
        let id = book.sessions[session].id;
        if !context.is_mine(id) {
            book.handed_across += 1;
            return Admission::Now(Verdict::Recover { id, subprotocol: None });
        }
        Admission::Now(match context.is_open(id) {
            true => Verdict::Recover { id, subprotocol: None },
            false => Verdict::Close { subprotocol: None, code: 1008, reason: "gone".to_owned() },
        })
    }

    fn opened(&mut self, context: &mut Context<'_>, id: ConnectionId, _: HandshakeId) {
        let (user, group) = names_of(self.book.borrow().sessions.len());
        let (user, groups) = (Some(user.as_str()), &["room", group.as_str()]);
        let newcomer = Newcomer { hub: ROOM, form: Form(0), user, groups, ..Newcomer::default() };
        context.members(|members, _| members.enter(id.key, newcomer)).expect("there is room");
        assert!(context.make_reliable(id) && !context.make_reliable(id));
        context.send(id, MessageKind::Text, &[b"hello"]);
        self.book.borrow_mut().sessions.push(Session {
            id,
            closed: 0,
            is_told_to_go: false,
            given_up: None,
            acknowledged: 0,
            resumed_at: 0,
            is_greeted: false,
            owed: Vec::new(),
        });
    }

    fn recovered(&mut self, context: &mut Context<'_>, id: ConnectionId) {
        context.send(id, MessageKind::Text, &[b"hello"]);
        let mut book = self.book.borrow_mut();
        let session = book.find(id);
        assert_eq!((session.closed, session.is_told_to_go), (0, false), "who has ended does not come back");
        session.resumed_at = session.acknowledged;
    }

    fn message(&mut self, context: &mut Context<'_>, from: ConnectionId, message: Message<'_>) -> Reply {
        let text = std::str::from_utf8(message.payload).expect("text");
        let (what, number) = text.split_once(' ').expect("two words");
        let mut book = self.book.borrow_mut();
        let place = book.place(from);
        let session = &mut book.sessions[place];
        assert_eq!(session.closed, 0, "who has ended says nothing");
        match what {
            "who" => {
                let welcome = format!("welcome {place}");
                context.send(from, MessageKind::Text, &[welcome.as_bytes()]);
            }
            "go" => {
                session.is_told_to_go = true;
                assert!(context.close(from, 1000, "as you wish"));
            }
            _ => {
                let number = number.parse().expect("a number");
                session.acknowledged = session.acknowledged.max(number);
                context.acknowledge(from, number);
            }
        }
        Reply::None
    }

    fn closed(&mut self, _: &mut Context<'_>, id: ConnectionId, reason: CloseReason, _: CloseCode) {
        let mut book = self.book.borrow_mut();
        let session = book.find(id);
        session.closed += 1;
        let is_given_up = matches!(
            reason,
            CloseReason::Gone
                | CloseReason::Reset
                | CloseReason::Unanswered
                | CloseReason::Idle
                | CloseReason::Slow
        );
        session.given_up = (is_given_up && !session.is_told_to_go).then(|| self.network.now());
    }
}
