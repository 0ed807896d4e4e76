//! The simulated driver as a [`Driver`].

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::{LastTurn, Leaving, Listener, Listening, Sending, Simulated, Slot};
use crate::driver::{Buffers, Close, Driver, Event, ListenerId, Outgoing, Progress, Sent, Stats};
use crate::{Lent, Token, Waker};

impl Simulated {
    /// Gives a slot its owner.
    fn put(&mut self, token: Token, slot: Slot) {
        assert!(token.slot < self.config.slots(), "{token:?} lies in the table");
        let before = self.slots.insert(token.slot, slot);
        assert!(before.is_none(), "{token:?}: a slot has one owner at a time");
    }

    /// A closed descriptor whose link the kernel refused to go on with.
    fn refuse(&mut self, peer: super::PeerId) -> Errno {
        self.network.trace(|| format!("driver {}: refused peer {peer}", self.index));
        let mut link = self.network.link(peer);
        link.fail();
        link.close(Close::Orderly);
        Errno::NOMEM
    }
}

impl Driver for Simulated {
    fn listen(&mut self, listener: OwnedFd) -> rustix::io::Result<ListenerId> {
        let id = ListenerId(u16::try_from(self.listeners.len()).unwrap_or(u16::MAX));
        self.listeners.push(Listener { _socket: listener, state: Listening::Accepting });
        Ok(id)
    }

    fn unlisten(&mut self, listener: ListenerId) {
        let state = &mut self.listeners[usize::from(listener.0)].state;
        assert!(!matches!(state, Listening::Ending | Listening::Ended), "a listener ends once");
        *state = Listening::Ending;
    }

    fn adopt(&mut self, token: Token, descriptor: OwnedFd) -> rustix::io::Result<()> {
        assert!(token.slot < self.config.handshake_slots, "{token:?} is for an opening handshake");
        let peer = self.network.adopt(&descriptor);
        if self.fails() {
            return Err(self.refuse(peer));
        }
        self.network.trace(|| format!("driver {}: {token} adopts peer {peer}", self.index));
        let generation = token.generation;
        let slot = Slot {
            generation,
            peer,
            _descriptor: descriptor,
            receiving: None,
            sending: None,
            shut: false,
            leaving: None,
            unread: Vec::new(),
        };
        self.put(token, slot);
        Ok(())
    }

    fn promote(&mut self, from: Token, to: Token) -> rustix::io::Result<()> {
        assert!(to.slot >= self.config.handshake_slots, "{to:?} is for a connection");
        let slot = self.slot(from);
        assert!(slot.receiving.is_none() && slot.sending.is_none(), "{from:?}: nothing is in flight");
        let peer = slot.peer;
        let old = self.slots.remove(&from.slot).ok_or(Errno::BADF)?;
        if self.fails() {
            return Err(self.refuse(peer));
        }
        self.network.trace(|| format!("driver {}: {from} of peer {peer} becomes {to}", self.index));
        self.put(to, Slot { generation: to.generation, ..old });
        Ok(())
    }

    fn receive(&mut self, token: Token, buffers: Buffers) {
        let before = self.slot(token).receiving.replace(buffers);
        assert!(before.is_none(), "{token:?}: one receive at a time");
    }

    fn has_unread(&self, token: Token) -> bool {
        let slot = &self.slots[&token.slot];
        let link = self.network.link(slot.peer);
        slot.receiving.is_some() && (!link.inbound.is_empty() || link.inbound_ended)
    }

    fn send(&mut self, token: Token, outgoing: Outgoing) -> Progress {
        if let Outgoing::Lent(buffer) = &outgoing {
            assert!(self.pools.own(buffer), "the buffer was lent by this driver");
        }
        assert!(outgoing.len() > 0, "{token:?}: something is sent");
        let slot = self.slot(token);
        assert!(slot.sending.is_none() && !slot.shut, "{token:?}: one send at a time, none after the end");
        let peer = slot.peer;
        let at_once = self.random.per_mille(500) && !self.network.link(peer).is_reset();
        let sending = if at_once {
            match self.send_some(peer, outgoing) {
                Sent::Whole => return Progress::Done,
                // It goes on waiting.
                Sent::Partial(outgoing @ Outgoing::Shared(_)) => Sending::UnderWay(outgoing),
                sent => Sending::Over(sent),
            }
        } else {
            Sending::UnderWay(outgoing)
        };
        self.slot(token).sending = Some(sending);
        Progress::Pending
    }

    fn confirm_sends(&mut self) {
        self.confirm = true;
    }

    fn offers(&self) -> usize {
        self.offered()
    }

    fn shutdown(&mut self, token: Token) {
        let slot = self.slot(token);
        slot.shut = true;
        if slot.sending.is_none() {
            let peer = slot.peer;
            self.network.link(peer).end_outbound();
        }
    }

    fn close(&mut self, token: Token, how: Close) {
        self.network.trace(|| format!("driver {}: {token} closes, {how:?}", self.index));
        let slot = self.slot(token);
        slot.leaving = Some(Leaving::Close);
        slot.receiving = None;
        let (peer, sending) = (slot.peer, slot.sending.take());
        if !self.network.link(peer).is_reset() && how == Close::Orderly && self.random.per_mille(500) {
            // A send in flight goes as far as it can, or it was not so far yet.
            let room = self.network.link(peer).room();
            if let Some(Sending::UnderWay(outgoing)) = &sending {
                let bytes = outgoing.bytes();
                self.network.link(peer).push(&bytes[..bytes.len().min(room)]);
            }
        }
        self.network.link(peer).close(how);
    }

    fn release(&mut self, token: Token) {
        self.network.trace(|| format!("driver {}: {token} is to be released", self.index));
        let slot = self.slot(token);
        assert!(!slot.shut, "{token:?}: no end of stream was said");
        let (peer, receiving) = (slot.peer, slot.receiving.take().is_some());
        slot.leaving = Some(Leaving::Release);
        // A receive in flight may have brought something already.
        let unread =
            if receiving && self.random.per_mille(500) { self.take_inbound(peer) } else { Vec::new() };
        self.slot_of(token).unread = unread;
    }

    fn lend(&mut self) -> Option<Lent> {
        self.pools.short.lend().filter(|_| !self.random.per_mille(self.faults.no_buffer))
    }

    fn turn(&mut self, timeout: Duration, events: &mut Vec<Event>) -> rustix::io::Result<()> {
        if self.breaks {
            return Err(Errno::BADF);
        }
        self.pools.short.scribble();
        self.pools.long.scribble();
        self.last = LastTurn { timeout, events: 0, unfinished: false };
        let mut blocks = Vec::new();
        self.woken |= self.waker.acknowledge();
        if self.woken && self.now() {
            self.woken = false;
            blocks.push(vec![Event::Woken]);
        }
        for index in 0..self.listeners.len() {
            self.complete_accepts(index, &mut blocks);
        }
        let token = |(slot, owner): (&u32, &Slot)| Token { slot: *slot, generation: owner.generation };
        let mut tokens: Vec<Token> = self.slots.iter().map(token).collect();
        self.random.shuffle(&mut tokens);
        for token in tokens {
            self.complete(token, &mut blocks);
        }
        self.keep_quiet(&mut blocks);
        self.random.shuffle(&mut blocks);
        let before = events.len();
        events.extend(blocks.into_iter().flatten());
        self.last.events = events.len() - before;
        self.stats.completions += self.last.events as u64;
        self.stats.syscalls += 1;
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn stats(&self) -> Stats {
        Stats {
            completions: self.stats.completions,
            syscalls: self.stats.syscalls,
            slot_bytes: self.slots.len() * size_of::<u64>(),
            ..self.pools.stats()
        }
    }

    fn now(&self) -> Instant {
        self.network.instant()
    }
}
