//! Sending with plain send(2): at once as far as it goes, the rest when an edge says that there is room.

use bytes::{Buf, Bytes};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::{Epoll, SENDING, SHUTDOWN};
use crate::Token;
use crate::driver::{Event, Outgoing, Progress, Sent};

const FLAGS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);

impl Epoll {
    fn send_some(&mut self, token: Token, bytes: &[u8]) -> Result<usize, Errno> {
        loop {
            self.count_call();
            let Some(descriptor) = self.slots.owned(token).borrow() else { return Err(Errno::BADF) };
            match send(descriptor, bytes, FLAGS) {
                Err(Errno::INTR) => {}
                outcome => return outcome,
            }
        }
    }

    pub(super) fn send_at_once(&mut self, token: Token, outgoing: Outgoing) -> Progress {
        if let Outgoing::Lent(buffer) = &outgoing {
            assert!(self.pools.own(buffer), "the buffer was lent by this driver");
        }
        let offered = matches!(outgoing, Outgoing::Offered(_));
        let sent = match self.send_some(token, outgoing.bytes()) {
            Ok(len) if len == outgoing.len() => return Progress::Done,
            Ok(len) => outgoing.after(len),
            Err(Errno::AGAIN) => outgoing.after(0),
            Err(error) => Sent::Failed(error),
        };
        self.offers += usize::from(offered);
        self.answer_early(token, sent);
        Progress::Pending
    }

    pub(super) fn send_waiting(&mut self, token: Token, mut bytes: Bytes) -> Progress {
        match self.send_all(token, &mut bytes) {
            Ok(true) => Progress::Done,
            Ok(false) => {
                self.slots.owned(token).flags.set(SENDING);
                self.blocked.insert(token, bytes);
                Progress::Pending
            }
            Err(error) => {
                self.answer_early(token, Sent::Failed(error));
                Progress::Pending
            }
        }
    }

    /// Sends until all has gone (true) or there is no room (false), and takes off what went.
    fn send_all(&mut self, token: Token, bytes: &mut Bytes) -> Result<bool, Errno> {
        while bytes.has_remaining() {
            match self.send_some(token, bytes) {
                Ok(len) => bytes.advance(len),
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// There is room again for a send that was blocked.
    pub(super) fn go_on_sending(&mut self, token: Token, events: &mut Vec<Event>) {
        let Some(mut bytes) = self.blocked.remove(&token) else { return };
        let sent = match self.send_all(token, &mut bytes) {
            Ok(true) => Sent::Whole,
            Ok(false) => {
                self.blocked.insert(token, bytes);
                return;
            }
            Err(error) => Sent::Failed(error),
        };
        let flags = &mut self.slots.owned(token).flags;
        let shutdown = flags.has(SHUTDOWN);
        flags.clear(SENDING | SHUTDOWN);
        if shutdown {
            self.end_stream(token);
        }
        events.push(Event::Sent { token, sent });
    }
}
