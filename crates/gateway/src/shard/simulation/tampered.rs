//! A driver that breaks its contract in one place, to show that the simulation would notice.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_ring::simulated::Simulated;
use holdfast_ring::{
    Buffers, Close, Driver, Event, Lent, ListenerId, Outgoing, Progress, Sent, Stats, Token, Waker,
};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// The end of a send is never told.
    LostCompletion,
    /// A send is told to be done, and nothing went.
    DroppedSend,
    /// Shared bytes go twice.
    DoubledSend,
    /// What was offered is told to have gone, and nothing has.
    DroppedOffer,
    /// What was offered goes twice.
    DoubledOffer,
    /// A byte of what was received is another one.
    WrongByte,
    /// A buffer never comes back.
    LostBuffer,
    /// Bytes are received and nobody hears of it.
    LostBytes,
    /// A closed slot is never told of.
    LostClose,
    /// It is believed at once that every shard has taken what is published.
    EarlyTaken,
    /// The application leaves a message unanswered.
    ForgottenEcho,
}

impl Defect {
    pub(super) const ALL: [Self; 11] = [
        Self::LostCompletion,
        Self::DroppedSend,
        Self::DoubledSend,
        Self::DroppedOffer,
        Self::DoubledOffer,
        Self::WrongByte,
        Self::LostBuffer,
        Self::LostBytes,
        Self::LostClose,
        Self::EarlyTaken,
        Self::ForgottenEcho,
    ];
    /// Every so many times it shows.
    pub(super) const EVERY: usize = 7;
}

/// A simulated driver, whole or with a defect.
#[derive(Debug)]
pub(super) struct Tampered {
    pub(super) inner: Simulated,
    defect: Option<Defect>,
    count: usize,
}

impl Tampered {
    pub(super) fn new(inner: Simulated, defect: Option<Defect>) -> Self {
        Self { inner, defect, count: 0 }
    }

    /// Whether this defect shows now.
    fn strikes(&mut self, defect: Defect) -> bool {
        if self.defect != Some(defect) {
            return false;
        }
        self.count += 1;
        self.count.is_multiple_of(Defect::EVERY)
    }

    fn tamper(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::Sent { sent: Sent::Whole, .. } if self.strikes(Defect::LostCompletion) => None,
            Event::Closed { .. } if self.strikes(Defect::LostClose) => None,
            Event::Received { .. } if self.strikes(Defect::LostBytes) => None,
            Event::Received { token, mut buffer } if self.strikes(Defect::WrongByte) => {
                let last = buffer.len() - 1;
                buffer[last] ^= 1;
                Some(Event::Received { token, buffer })
            }
            event => Some(event),
        }
    }
}

fn twice(bytes: &Bytes) -> Bytes {
    Bytes::from(bytes.repeat(2))
}

impl Driver for Tampered {
    fn listen(&mut self, listener: OwnedFd) -> rustix::io::Result<ListenerId> {
        self.inner.listen(listener)
    }

    fn unlisten(&mut self, listener: ListenerId) {
        self.inner.unlisten(listener);
    }

    fn adopt(&mut self, token: Token, descriptor: OwnedFd) -> rustix::io::Result<()> {
        self.inner.adopt(token, descriptor)
    }

    fn promote(&mut self, from: Token, to: Token) -> rustix::io::Result<()> {
        self.inner.promote(from, to)
    }

    fn receive(&mut self, token: Token, buffers: Buffers) {
        self.inner.receive(token, buffers);
    }

    fn has_unread(&self, token: Token) -> bool {
        self.inner.has_unread(token)
    }

    fn send(&mut self, token: Token, outgoing: Outgoing) -> Progress {
        let outgoing = match outgoing {
            Outgoing::Lent(_) if self.strikes(Defect::DroppedSend) => return Progress::Done,
            Outgoing::Lent(buffer) if self.strikes(Defect::LostBuffer) => {
                std::mem::forget(buffer);
                return Progress::Done;
            }
            Outgoing::Shared(bytes) if self.strikes(Defect::DoubledSend) => Outgoing::Shared(twice(&bytes)),
            Outgoing::Offered(_) if self.strikes(Defect::DroppedOffer) => return Progress::Done,
            Outgoing::Offered(bytes) if self.strikes(Defect::DoubledOffer) => {
                Outgoing::Offered(twice(&bytes))
            }
            outgoing => outgoing,
        };
        self.inner.send(token, outgoing)
    }

    fn confirm_sends(&mut self) {
        self.inner.confirm_sends();
    }

    fn offers(&self) -> usize {
        self.inner.offers()
    }

    fn shutdown(&mut self, token: Token) {
        self.inner.shutdown(token);
    }

    fn close(&mut self, token: Token, how: Close) {
        self.inner.close(token, how);
    }

    fn release(&mut self, token: Token) {
        self.inner.release(token);
    }

    fn lend(&mut self) -> Option<Lent> {
        self.inner.lend()
    }

    fn turn(&mut self, timeout: Duration, events: &mut Vec<Event>) -> rustix::io::Result<()> {
        let mut brought = Vec::new();
        self.inner.turn(timeout, &mut brought)?;
        events.extend(brought.into_iter().filter_map(|event| self.tamper(event)));
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.inner.waker()
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }
}
