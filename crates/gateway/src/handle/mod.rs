//! Reaching shards from other threads: a mailbox each, and a wake-up.

mod inbox;
mod mailbox;
mod origin;
mod plan;
pub(crate) mod wakes;

use std::any::Any;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::MessageKind;

pub use inbox::{HandedRequest, Inbox, REQUESTS_MAX, Report, RequestPermit};
pub use mailbox::{Audience, MAILBOX_MAX, NotServed, NotTaken};
pub(crate) use mailbox::{Command, Mailbox, Newcomer};
pub use origin::Origin;
pub use plan::DrainPlan;

use crate::admission::Verdict;
use crate::publish::{
    self, Broadcast, Forms, LineFull, PUBLICATION_BYTES_MAX, PUBLICATIONS_MAX, Part, Prepared,
};
use crate::{ConnectionId, HandshakeId, Names};

/// Reaches the connections of every shard, from any thread. Cheap to clone.
///
/// What is asked for happens later, in order for each shard. A connection that is gone by then is no error.
#[derive(Clone, Debug)]
pub struct Handle {
    mailboxes: Arc<[Mailbox]>,
    inbox: Arc<Inbox>,
    names: Arc<Names>,
}

/// How much may be under way between shards and others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandleBounds {
    /// Messages to many in each shard, and bytes of them.
    pub(crate) publications_max: u32,
    pub(crate) publication_bytes_max: usize,
    /// Requests that shards have handed over.
    pub(crate) requests_max: u32,
}

impl Default for HandleBounds {
    fn default() -> Self {
        Self {
            publications_max: PUBLICATIONS_MAX,
            publication_bytes_max: PUBLICATION_BYTES_MAX,
            requests_max: REQUESTS_MAX,
        }
    }
}

impl Handle {
    #[cfg(any(test, feature = "simulated"))]
    pub(crate) fn new(shards: usize) -> Self {
        Self::with(shards, &HandleBounds::default())
    }

    /// With room for so much.
    pub(crate) fn with(shards: usize, bounds: &HandleBounds) -> Self {
        let HandleBounds { publications_max, publication_bytes_max, requests_max } = *bounds;
        Self {
            mailboxes: (0..shards)
                .map(|_| Mailbox::with_line(publications_max, publication_bytes_max))
                .collect(),
            inbox: Arc::new(Inbox::new(requests_max)),
            names: Arc::default(),
        }
    }

    /// What connections are called outside.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn mailbox(&self, shard: u16) -> &Mailbox {
        &self.mailboxes[usize::from(shard)]
    }

    /// Bytes of messages to many that wait for their turn, in the shard that has most.
    pub(crate) fn publication_bytes(&self) -> usize {
        self.mailboxes.iter().map(|mailbox| mailbox.line.bytes()).max().unwrap_or(0)
    }

    /// What shards tell the control side.
    #[must_use]
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Gives a connection to the shard with most room, as if it had been accepted there: one that came by the
    /// [`inbox`](Self::inbox), with what it has sent of its next request.
    ///
    /// # Errors
    /// When no shard has room, or the gateway drains.
    pub fn serve(&self, descriptor: OwnedFd, bytes: Vec<u8>, origin: Origin) -> Result<(), NotServed> {
        match self.give(None, Newcomer::Back { descriptor, bytes, origin }) {
            None => Ok(()),
            Some(Newcomer::Back { descriptor, bytes, origin }) => {
                Err(NotServed { descriptor, bytes, origin })
            }
            Some(Newcomer::HandedOver(descriptor)) => {
                Err(NotServed { descriptor, bytes: Vec::new(), origin: Origin::default() })
            }
        }
    }

    /// Sends a message to a connection. Text must be valid UTF-8.
    ///
    /// # Errors
    /// When the shard's mailbox is full, or the shard has ended.
    pub fn send(&self, to: ConnectionId, kind: MessageKind, payload: Bytes) -> Result<(), NotTaken> {
        self.push(to.shard, Command::Send { to, kind, payload })
    }

    /// Sends a message that was made once for many connections. Its text must be valid UTF-8.
    ///
    /// # Errors
    /// When the shard's mailbox is full, or the shard has ended.
    pub fn send_prepared(&self, to: ConnectionId, message: &Prepared) -> Result<(), NotTaken> {
        self.push(to.shard, Command::SendPrepared { to, message: message.clone() })
    }

    /// Sends a message to every connection of every shard that is open when its shard hears of it: each gets it once,
    /// unless it leaves or is too slow. One connection gets what was sent from one thread in the order given, be it to
    /// all or to it alone; of two threads, shards may differ in whose message comes first.
    ///
    /// Shards go on with it turn by turn and keep one frame, whoever is connected: what waits in an outbox is what a
    /// connection could not take at once. In a drain it goes out before the goodbyes; only what a shard has not done
    /// when it is told to end, or when the time for the drain is over, is lost. Text must be valid UTF-8. A message
    /// longer than outbox-bytes-max closes everybody with 1013, as it would by [`send`](Self::send).
    ///
    /// # Errors
    /// When a shard has too much to finish first.
    pub fn send_to_all(&self, message: &Prepared) -> Result<Broadcast, LineFull> {
        self.publish(&Audience::Everyone, &[], &message.into())
    }

    /// The same for some of them only: those who belong to an audience when their shard hears of it, but the excluded.
    ///
    /// # Errors
    /// When a shard has too much to finish first.
    pub fn publish(
        &self,
        to: &Audience,
        excluded: &[ConnectionId],
        message: &Forms,
    ) -> Result<Broadcast, LineFull> {
        self.publish_but(to, excluded, message, None).map(|(broadcast, _)| broadcast)
    }

    /// As [`publish`](Self::publish), but returns `own`'s part instead of putting it into the mailbox.
    pub(crate) fn publish_but(
        &self,
        to: &Audience,
        excluded: &[ConnectionId],
        message: &Forms,
        own: Option<u16>,
    ) -> Result<(Broadcast, Option<Part>), LineFull> {
        let rooms = self.mailboxes.iter().map(|mailbox| &mailbox.line);
        let (broadcast, parts) = publish::begin(rooms, message.len())?;
        let mut mine = None;
        for ((shard, mailbox), part) in (0..).zip(&*self.mailboxes).zip(parts) {
            match own == Some(shard) {
                true => mine = Some(part),
                false => mailbox.publish(shard, to, excluded, message, part),
            }
        }
        Ok((broadcast, mine))
    }

    /// As [`publish`](Self::publish), but to those only who are in one of these shards, each of which is named once. It
    /// needs room in these only, wakes no other, and is over when these have done their parts. A shard that there is
    /// not is left out.
    ///
    /// # Errors
    /// When one of these shards has too much to finish first: then nobody gets it.
    pub fn publish_in(
        &self,
        shards: &[u16],
        to: &Audience,
        excluded: &[ConnectionId],
        message: &Forms,
    ) -> Result<Broadcast, LineFull> {
        let named = |shard: &u16| Some((*shard, self.mailboxes.get(usize::from(*shard))?));
        let there = || shards.iter().filter_map(named);
        let (broadcast, parts) = publish::begin(there().map(|(_, mailbox)| &mailbox.line), message.len())?;
        for ((shard, mailbox), part) in there().zip(parts) {
            mailbox.publish(shard, to, excluded, message, part);
        }
        Ok(broadcast)
    }

    /// Starts the closing handshake with a connection.
    ///
    /// # Errors
    /// When the shard's mailbox is full, or the shard has ended.
    ///
    /// # Panics
    /// In debug builds, when the code is none that may be sent (RFC 6455 7.4).
    pub fn close(&self, id: ConnectionId, code: u16, reason: &str) -> Result<(), NotTaken> {
        debug_assert!(holdfast_proto::valid_close_code(code));
        self.push(id.shard, Command::Close { id, code, reason: reason.to_owned() })
    }

    /// Answers an opening handshake that was put off. One that has ended meanwhile, by its deadline say, is left alone.
    ///
    /// # Errors
    /// When the shard's mailbox is full, or the shard has ended.
    pub fn answer(&self, handshake: HandshakeId, verdict: Verdict) -> Result<(), NotTaken> {
        self.push(handshake.shard, Command::Answer { handshake, verdict })
    }

    /// Tells the application of a shard something: [`Application::told`](crate::Application::told). Whoever tells
    /// bounds how much: such a note is taken however full the mailbox is.
    ///
    /// # Errors
    /// When the shard has ended.
    pub fn tell(&self, shard: u16, note: Box<dyn Any + Send>) -> Result<(), NotTaken> {
        let mailbox = self.mailboxes.get(usize::from(shard)).ok_or(NotTaken::ShardEnded)?;
        mailbox.push(Command::Tell(note), usize::MAX).map_err(|(why, _)| why)
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> u16 {
        u16::try_from(self.mailboxes.len()).unwrap_or(u16::MAX)
    }

    /// Drains at once, for the end.
    pub fn drain(&self) {
        self.drain_by(DrainPlan { spread: Duration::ZERO, ends: true });
    }

    /// Begins to drain, or changes the plan: every shard answers 503 to whoever comes and says goodbye to its
    /// connections (drain-code), which are served as before until their turn has come. A drain for the end closes the
    /// listeners when all shards are empty, and cannot be taken back.
    pub fn drain_by(&self, plan: DrainPlan) {
        self.tell_all(|| Command::Drain(plan));
    }

    /// Takes back a drain that is not for the end.
    pub fn resume(&self) {
        self.tell_all(|| Command::Resume);
    }

    /// A shard has nothing left to drain, or has ended. When that holds for all, the listeners are closed.
    pub(crate) fn drained(&self, shard: u16) {
        self.mailbox(shard).drained.store(true, SeqCst);
        // Of those who are last at the same time at least one sees that all are.
        if self.mailboxes.iter().all(|mailbox| mailbox.drained.load(SeqCst)) {
            self.tell_all(|| Command::Unlisten);
        }
    }

    /// Ends every shard at once, whatever is open.
    pub fn end(&self) {
        self.tell_all(|| Command::End);
    }

    fn tell_all(&self, command: impl Fn() -> Command) {
        for mailbox in &*self.mailboxes {
            // One that has ended needs no telling.
            let _ = mailbox.push(command(), usize::MAX);
        }
        // Whoever is answered that it drains may count on that.
        wakes::let_go();
    }

    /// Gives a peer that recovers a connection to the shard that has it, or back.
    pub(crate) fn recover(
        &self,
        shard: u16,
        descriptor: OwnedFd,
        bytes: Vec<u8>,
        origin: Origin,
    ) -> Result<(), (OwnedFd, Vec<u8>, Origin)> {
        let Some(mailbox) = self.mailboxes.get(usize::from(shard)) else {
            return Err((descriptor, bytes, origin));
        };
        match mailbox.push(Command::Recover { descriptor, bytes, origin }, MAILBOX_MAX) {
            Err((_, Command::Recover { descriptor, bytes, origin })) => Err((descriptor, bytes, origin)),
            _ => Ok(()),
        }
    }

    /// Gives a peer's socket to the emptiest of the other shards, or back if none has room.
    pub(crate) fn hand_over(&self, from: u16, descriptor: OwnedFd) -> Option<OwnedFd> {
        match self.give(Some(from), Newcomer::HandedOver(descriptor))? {
            Newcomer::HandedOver(descriptor) | Newcomer::Back { descriptor, .. } => Some(descriptor),
        }
    }

    /// Gives a newcomer to the emptiest shard but `from`, or back if none has room.
    fn give(&self, from: Option<u16>, newcomer: Newcomer) -> Option<Newcomer> {
        // Others hand over too, so that the emptiest may be full by now: then to the next.
        while let Some(emptiest) = self.emptiest_but(from) {
            if !emptiest.claim() {
                continue;
            }
            match emptiest.push(Command::Adopt(newcomer), MAILBOX_MAX) {
                Err((_, Command::Adopt(back))) => {
                    // Its mailbox is full, or it has just ended.
                    emptiest.release(1);
                    return Some(back);
                }
                _ => return None,
            }
        }
        Some(newcomer)
    }

    /// The shard with most room, if any other than `from` has some.
    fn emptiest_but(&self, from: Option<u16>) -> Option<&Mailbox> {
        let from = from.map(usize::from);
        let others = self.mailboxes.iter().enumerate().filter(|(index, _)| Some(*index) != from);
        let emptiest = others.map(|(_, mailbox)| (mailbox.room(), mailbox)).max_by_key(|(room, _)| *room);
        emptiest.filter(|(room, _)| *room > 0).map(|(_, mailbox)| mailbox)
    }

    fn push(&self, shard: u16, command: Command) -> Result<(), NotTaken> {
        // An id of another gateway may name a shard that there is not.
        let mailbox = self.mailboxes.get(usize::from(shard)).ok_or(NotTaken::ShardEnded)?;
        mailbox.push(command, MAILBOX_MAX).map_err(|(why, _)| why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_has_ended_or_never_was_takes_nothing() {
        let handle = Handle::new(1);
        assert!(handle.mailbox(0).end().is_empty());
        let id = ConnectionId { shard: 0, epoch: 0, key: 0, generation: 0 };
        assert_eq!(handle.send(id, MessageKind::Text, Bytes::new()), Err(NotTaken::ShardEnded));
        let elsewhere = ConnectionId { shard: 9, ..id };
        assert_eq!(handle.close(elsewhere, 1000, ""), Err(NotTaken::ShardEnded));
    }

    #[test]
    fn a_full_mailbox_takes_nothing_but_orders_to_drain_and_end() {
        let handle = Handle::new(1);
        let id = ConnectionId { shard: 0, epoch: 0, key: 0, generation: 0 };
        for _ in 0..MAILBOX_MAX {
            assert_eq!(handle.close(id, 1000, ""), Ok(()));
        }
        assert_eq!(handle.close(id, 1000, ""), Err(NotTaken::MailboxFull));
        handle.end();
        assert_eq!(handle.mailbox(0).take_all().len(), MAILBOX_MAX + 1);
    }

    /// What each shard is to publish, by its number: to whom, and without whom.
    fn published(handle: &Handle) -> Vec<Vec<(Audience, Vec<u32>, Part)>> {
        let of_shard = |shard| {
            let mut found = Vec::new();
            for command in handle.mailbox(shard).take_all() {
                let Command::Publish { to, excluded, part, .. } = command else { panic!("{command:?}") };
                found.push((to, excluded.iter().map(|id| id.key).collect(), part));
            }
            found
        };
        (0..handle.shards()).map(of_shard).collect()
    }

    #[test]
    fn what_is_for_some_shards_goes_to_these_with_those_who_are_left_out_there() {
        let handle = Handle::new(4);
        let message = Forms::from(&Prepared::new(MessageKind::Text, &[b"to some"]));
        let to = Audience::Group(holdfast_hub::Hub(1), "room".into());
        let id = |shard, key| ConnectionId { shard, epoch: 0, key, generation: 0 };
        let excluded = [id(0, 5), id(1, 6), id(3, 7), id(3, 8)];
        let broadcast = handle.publish_in(&[3, 1, 9], &to, &excluded, &message).expect("room");
        let taken = || (0..4).map(|shard| handle.mailbox(shard).line.taken()).collect::<Vec<_>>();
        assert_eq!(taken(), [0, 1, 0, 1], "room is taken in these only");
        let mut parts = published(&handle);
        let keys = |parts: &[(Audience, Vec<u32>, Part)]| -> Vec<Vec<u32>> {
            assert!(parts.iter().all(|(its, ..)| *its == to));
            parts.iter().map(|(_, keys, _)| keys.clone()).collect()
        };
        let keys: Vec<_> = parts.iter().map(|parts| keys(parts)).collect();
        assert_eq!(keys, [vec![], vec![vec![6]], vec![], vec![vec![7, 8]]]);
        parts[1][0].2.take();
        assert!(!broadcast.is_taken());
        parts[3][0].2.add(2, 1);
        parts[3].clear();
        assert!(broadcast.is_taken() && !broadcast.is_over());
        parts.clear();
        assert!(broadcast.is_over() && broadcast.handed() == 2 && taken() == [0; 4]);
    }

    #[test]
    fn what_is_for_no_shard_is_over_at_once_and_a_full_line_matters_to_those_who_are_meant_only() {
        let bounds = HandleBounds { publications_max: 1, ..HandleBounds::default() };
        let handle = Handle::with(3, &bounds);
        let message = Forms::from(&Prepared::new(MessageKind::Text, &[b"to some"]));
        let to = Audience::Hub(holdfast_hub::Hub(0));
        let nobody = handle.publish_in(&[], &to, &[], &message).expect("nothing to have room for");
        let unknown = handle.publish_in(&[3], &to, &[], &message).expect("nothing to have room for");
        assert!(nobody.is_over() && nobody.is_taken() && unknown.is_over());
        let first = handle.publish_in(&[1], &to, &[], &message).expect("room");
        assert_eq!(handle.publish_in(&[0, 1], &to, &[], &message).err(), Some(LineFull));
        assert_eq!(handle.publish(&to, &[], &message).err(), Some(LineFull));
        let other = handle.publish_in(&[0, 2], &to, &[], &message).expect("they are free");
        assert_eq!(published(&handle).iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
        assert!(first.is_over() && other.is_over());
        drop(handle.mailbox(1).end());
        let gone = handle.publish_in(&[1], &to, &[], &message).expect("room");
        assert!(gone.is_over(), "a shard that has ended ends its part");
    }

    #[test]
    fn a_shard_that_is_not_up_yet_will_hear_of_the_end() {
        let handle = Handle::new(1);
        handle.drain();
        handle.end();
        assert!(matches!(handle.mailbox(0).take_all()[..], [Command::Drain(_), Command::End]));
    }

    #[test]
    fn no_more_places_are_claimed_than_there_are() {
        let mailbox = Mailbox::default();
        assert!(!mailbox.claim(), "no shard there");
        mailbox.open(2);
        assert!(mailbox.claim() && mailbox.claim() && !mailbox.claim());
        mailbox.release(1);
        assert!(mailbox.claim() && !mailbox.claim());
        mailbox.shut();
        mailbox.release(2);
        assert!(!mailbox.claim(), "it takes no peers any more");
    }
}
