//! The application of a simulation: echo, and a little of everything else.

use std::any::Any;
use std::cell::{RefCell, RefMut};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use holdfast_cluster::names::Names;
use holdfast_hub::{Hub, Kind, Newcomer};
use holdfast_ring::simulated::Random;

use super::book::{Book, Source};
use super::stay::{NAMES, Stay};
use super::{CLOSE_ME, FILL_ME};
use crate::admission::{Admission, Opening, Verdict};
use crate::application::{Application, Message, Reply};
use crate::counters::{CloseCode, CloseReason};
use crate::{Audience, ConnectionId, Context, HandshakeId, MessageKind};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Busy {
    pub(super) shard: usize,
    pub(super) book: Rc<RefCell<Book>>,
    pub(super) random: Random,
    /// A defect: one message in so many is not answered.
    pub(super) forgets_every: Option<usize>,
    pub(super) messages: usize,
    pub(super) takes_requests: bool,
}

/// Longer than a simulation.
const LONG: Duration = Duration::from_secs(1 << 20);

/// What the application of a shard is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note {
    pub(super) number: usize,
    pub(super) what: Told,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// An errand is over.
    Finish,
    /// Publish something.
    Publish,
    /// Change the groups of a user.
    Change(Hub, &'static str),
    Resume(ConnectionId),
    /// It takes long to judge one who asks.
    Postpone(HandshakeId),
}

impl Application for Busy {
    fn takes_requests(&self) -> bool {
        self.takes_requests
    }

    fn names(&self) -> Option<Arc<Names>> {
        self.book.borrow().names.clone()
    }

    fn open(&mut self, context: &mut Context<'_>, opening: &Opening<'_>) -> Admission {
        let target = opening.request.path();
        let mut parts = target.trim_start_matches('/').split('/');
        let (path, peer) = (parts.next(), parts.next().and_then(|it| it.parse().ok()));
        let Some(peer) = peer else { return refuse() };
        let admission = match path {
            Some("echo") => Admission::Now(Verdict::Accept { subprotocol: None }),
            Some("later") => {
                self.book().deferred.push(opening.id);
                let id = self.random.per_mille(600).then(|| self.reserve(context, opening.id));
                Admission::Later { within: None, id }
            }
            _ => return refuse(),
        };
        self.book().asking.insert(opening.id, peer);
        admission
    }

    fn abandoned(&mut self, context: &mut Context<'_>, handshake: HandshakeId) {
        {
            let mut book = self.book();
            assert!(book.asking.remove(&handshake).is_some(), "{handshake:?} is abandoned once");
            book.reserved.remove(&handshake);
            book.count("abandoned");
        }
        self.publish_now_and_then(context, None);
    }

    fn opened(&mut self, context: &mut Context<'_>, id: ConnectionId, handshake: HandshakeId) {
        let peer = {
            let mut book = self.book();
            book.opened += 1;
            if let Some(reserved) = book.reserved.remove(&handshake) {
                assert_eq!(reserved, id, "it has the id that was reserved for it");
                book.count("opened with a reserved id");
            }
            let peer = book.asking.remove(&handshake).expect("it asked first");
            assert!(book.open.insert(id, peer).is_none(), "{id:?} is opened once");
            peer
        };
        self.enter(context, id, peer);
        match peer % 5 {
            0 => {
                let _ = self.push(context, id);
            }
            1 => {
                // To the one that came first, on whatever shard.
                let first = self.book().open.keys().next().copied();
                first.into_iter().for_each(|first| {
                    let _ = self.push(context, first);
                });
            }
            _ => {}
        }
    }

    fn message(&mut self, context: &mut Context<'_>, from: ConnectionId, message: Message<'_>) -> Reply {
        assert!(self.book().open.contains_key(&from), "a message comes from an open connection");
        self.messages += 1;
        let reply = self.react(context, from, message);
        let mut book = self.book();
        let at = book.moment();
        book.stay(from).answered.push(at);
        reply
    }

    fn told(&mut self, context: &mut Context<'_>, note: Box<dyn Any + Send>) {
        let Note { number, what } = *note.downcast().expect("it is a note");
        let next = {
            let mut book = self.book();
            book.count("told");
            let shard = u16::try_from(self.shard).expect("there are few");
            let heard = book.heard.entry(shard).or_default();
            std::mem::replace(heard, *heard + 1)
        };
        assert_eq!(number, next, "notes come in order, each once");
        match what {
            Told::Publish => self.publish(context, None),
            Told::Change(hub, user) => self.change_user(context, hub, user),
            Told::Finish => {
                let shard = u16::try_from(self.shard).expect("there are few");
                *self.book().unfinished.entry(shard).or_default() -= 1;
            }
            Told::Postpone(handshake) => {
                self.book().count("postponed");
                context.postpone(handshake, LONG);
            }
            Told::Resume(id) => {
                self.book().paused.remove(&id);
                context.resume(id);
            }
        }
    }

    fn is_idle(&self) -> bool {
        let shard = u16::try_from(self.shard).expect("there are few");
        self.book.borrow().unfinished.get(&shard).is_none_or(|count| *count == 0)
    }

    fn closing(&mut self, context: &mut Context<'_>, id: ConnectionId, _: CloseReason, _: &str) {
        let last_word = if self.random.per_mille(500) { self.push(context, id) } else { None };
        let before = self.book().stay(id).closing.replace(last_word);
        assert!(before.is_none(), "{id:?} begins to close once");
        self.publish_now_and_then(context, Some(id));
    }

    fn closed(&mut self, context: &mut Context<'_>, id: ConnectionId, _: CloseReason, _: CloseCode) {
        self.check_groups(context, &[id]);
        {
            let mut book = self.book();
            book.closed += 1;
            let at = book.moment();
            book.stay(id).end(at);
            book.paused.remove(&id);
            assert!(book.open.remove(&id).is_some(), "{id:?} was open, and is closed once");
        }
        if self.random.per_mille(100) {
            self.begin_errand();
        }
        self.publish_now_and_then(context, None);
    }
}

impl Busy {
    fn book(&self) -> RefMut<'_, Book> {
        self.book.borrow_mut()
    }

    /// Something is under way from now on that this shard is to be there for.
    fn begin_errand(&self) {
        let shard = u16::try_from(self.shard).expect("there are few");
        let mut book = self.book();
        book.errands.push((shard, None));
        *book.unfinished.entry(shard).or_default() += 1;
        book.count("errands of applications");
    }

    fn source(&self) -> Source {
        Source::Shard(self.shard)
    }

    fn reserve(&self, context: &mut Context<'_>, handshake: HandshakeId) -> ConnectionId {
        let (id, mut book) = (context.reserve(), self.book());
        assert!(!book.open.contains_key(&id) && book.reserved.values().all(|other| *other != id));
        book.reserved.insert(handshake, id);
        id
    }

    /// A new connection enters its hub, with a user and some groups: if it has one.
    fn enter(&mut self, context: &mut Context<'_>, id: ConnectionId, peer: usize) {
        let hub = [Some(Hub(0)), Some(Hub(0)), Some(Hub(0)), Some(Hub(1)), None][peer % 5];
        let user = Some(self.random.pick(&NAMES)).filter(|_| self.random.per_mille(700));
        let mut groups = NAMES.to_vec();
        groups.retain(|_| self.random.per_mille(500));
        let entered = hub.filter(|hub| {
            let newcomer = Newcomer { hub: *hub, user, groups: &groups, ..Newcomer::default() };
            context.members(|members, _| members.enter(id.key, newcomer)).is_ok()
        });
        let mut book = self.book();
        let at = book.moment();
        let mut stay = Stay::new(self.shard, entered, user, at);
        match entered {
            Some(_) => stay.change(&groups.into_iter().collect(), at),
            None => book.count(if hub.is_some() { "in no hub: too many groups" } else { "in no hub" }),
        }
        book.stays.insert(peer, stay);
    }

    fn react(&mut self, context: &mut Context<'_>, from: ConnectionId, message: Message<'_>) -> Reply {
        if message.payload == CLOSE_ME {
            let at = (self.book().moment(), self.source());
            let peer = self.book().open[&from];
            self.book().closed_at.entry(peer).or_insert(at);
            context.close(from, 4001, "as you wish");
            return Reply::None;
        }
        if message.payload == FILL_ME {
            // More than any outbox takes; the echo comes too late.
            (0..24).for_each(|_| {
                let _ = self.push_long(context, from, 60 << 10);
            });
            return Reply::Echo;
        }
        if self.forgets_every.is_some_and(|every| self.messages.is_multiple_of(every)) {
            return Reply::None;
        }
        if let Some(words) = message.payload.strip_prefix(b"do ") {
            self.obey(context, from, &String::from_utf8_lossy(words));
        }
        if self.random.per_mille(40) && context.pause(from) {
            self.book().paused.entry(from).or_default();
            self.book().count("paused");
        }
        if self.messages.is_multiple_of(17) {
            self.publish(context, None);
            // Both this and the echo come behind it.
            self.push(context, from);
        }
        if self.messages.is_multiple_of(3) {
            // The other way to echo.
            context.send(from, message.kind, &[&message.payload[..0], message.payload]);
            return Reply::None;
        }
        Reply::Echo
    }

    /// Does what a peer asks for: the echo says that it has been done.
    fn obey(&mut self, context: &mut Context<'_>, from: ConnectionId, words: &str) {
        match words.split_whitespace().next() {
            Some("change") => self.change(context, from),
            Some("user") => {
                let stay = {
                    let mut book = self.book();
                    let stay = book.stay(from);
                    (stay.hub, stay.user)
                };
                if let (Some(hub), Some(user)) = stay {
                    self.change_user(context, hub, user);
                }
            }
            _ => self.publish(context, Some(from)),
        }
    }

    /// A connection joins a group, or leaves one or all.
    fn change(&mut self, context: &mut Context<'_>, id: ConnectionId) {
        let (group, kind) = (self.random.pick(&NAMES), self.random.below(8));
        let mut now = self.book().stay(id).groups();
        // What is asked of a shard from now on happens after this.
        let at = self.book().moment();
        context.members(|members, deliver| match kind {
            0..4 => {
                let joined = members.join(id.key, group, deliver);
                joined.is_ok_and(|_| members.hub(id.key).is_some()).then(|| now.insert(group));
            }
            4..7 => {
                assert_eq!(members.quit(id.key, group, deliver), now.remove(group));
            }
            _ => {
                assert_eq!(usize::from(members.quit_all(id.key, deliver)), now.len());
                now.clear();
            }
        });
        self.book().stay(id).change(&now, at);
        self.book().count("groups changed");
        self.check_groups(context, &[id]);
    }

    /// All connections of a user that are here join a group, or leave one or all.
    fn change_user(&mut self, context: &mut Context<'_>, hub: Hub, user: &str) {
        let (group, kind) = (self.random.pick(&NAMES), self.random.below(4));
        let keys = context.members(|members, _| members.keys(hub, Kind::User, user).to_vec());
        let ids: Vec<ConnectionId> = keys.iter().map(|key| context.id_of(*key)).collect();
        let at = self.book().moment();
        // None: too many, and so nothing has changed.
        let changed = context.members(|members, deliver| match kind {
            0..2 => members.join_user(hub, user, group, deliver).ok().map(u64::from),
            2 => Some(members.quit_user(hub, user, group, deliver).into()),
            _ => Some(members.quit_all_of_user(hub, user, deliver)),
        });
        let mut expected = 0;
        for id in ids.iter().filter(|_| changed.is_some()) {
            let mut book = self.book();
            book.count("groups of a user changed");
            let stay = book.stay(*id);
            let before = stay.groups();
            let mut now = before.clone();
            match kind {
                0..2 => drop(now.insert(group)),
                2 => drop(now.remove(group)),
                _ => now.clear(),
            }
            expected += before.symmetric_difference(&now).count() as u64;
            stay.change(&now, at);
        }
        assert_eq!(changed.unwrap_or(0), expected, "it says how many have changed");
        self.check_groups(context, &ids);
    }

    /// The core knows the same of these as the book does.
    fn check_groups(&self, context: &mut Context<'_>, ids: &[ConnectionId]) {
        for id in ids {
            let known = context.members(|members, _| {
                let groups: Vec<String> = members.groups(id.key).map(str::to_owned).collect();
                (members.hub(id.key), members.user(id.key).map(str::to_owned), groups)
            });
            let mut book = self.book();
            let stay = book.stay(*id);
            let groups: BTreeSet<&str> = known.2.iter().map(String::as_str).collect();
            assert_eq!(groups, stay.groups(), "groups of {id:?}");
            let user = stay.user.filter(|_| stay.hub.is_some());
            assert_eq!((known.0, known.1.as_deref()), (stay.hub, user), "hub and user of {id:?}");
        }
    }

    fn publish_now_and_then(&mut self, context: &mut Context<'_>, from: Option<ConnectionId>) {
        if self.random.per_mille(100) {
            self.publish(context, from);
        }
    }

    /// Publishes to some audience, now and then to all of it but those from whom it comes or some other one.
    fn publish(&mut self, context: &mut Context<'_>, from: Option<ConnectionId>) {
        let to = audience(&mut self.random);
        let excluded = exclude(&mut self.random, &self.book.borrow(), from);
        let source = self.source();
        self.book().publish(source, (&to, &excluded), 0, |message| context.publish(&to, &excluded, message));
    }

    fn push(&mut self, context: &mut Context<'_>, to: ConnectionId) -> Option<u64> {
        self.push_long(context, to, 0)
    }

    /// Pushes a message. When, if it was taken.
    fn push_long(&mut self, context: &mut Context<'_>, to: ConnectionId, len: usize) -> Option<u64> {
        let source = self.source();
        let mut book = self.book();
        let peer = book.open.get(&to).copied()?;
        let (at, text) = book.push(peer, source, len);
        let is_taken = context.send(to, MessageKind::Text, &[text.as_bytes()]);
        if !is_taken {
            book.take_back(at);
        }
        is_taken.then_some(at)
    }
}

/// Some audience.
pub(super) fn audience(random: &mut Random) -> Audience {
    let hub = random.pick(&[Hub(0), Hub(0), Hub(0), Hub(1)]);
    let name = random.pick(&NAMES);
    match random.below(8) {
        0..2 => Audience::Everyone,
        2 => Audience::Hub(hub),
        3 => Audience::User(hub, name.into()),
        _ => Audience::Group(hub, name.into()),
    }
}

/// Somebody, or nobody, who is to hear nothing of it.
pub(super) fn exclude(random: &mut Random, book: &Book, from: Option<ConnectionId>) -> Vec<ConnectionId> {
    let mut excluded: Vec<ConnectionId> = from.into_iter().filter(|_| random.per_mille(500)).collect();
    let all: Vec<ConnectionId> = book.open.keys().chain(book.reserved.values()).copied().collect();
    if !all.is_empty() && random.per_mille(400) {
        excluded.extend((0..random.between(1, 3)).map(|_| random.pick(&all)));
    }
    excluded
}

fn refuse() -> Admission {
    Admission::Now(Verdict::Refuse { status: 403, reason: "not you".to_owned() })
}
