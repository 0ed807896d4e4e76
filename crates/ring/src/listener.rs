//! What both drivers do with a listener: pause when accepting fails, and empty its queue before it is closed.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use crate::{Event, ListenerId};

/// How long accepting pauses after it failed for want of something.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    delay: Duration,
    until: Option<Instant>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(10);
    const MAX: Duration = Duration::from_secs(1);

    /// Accepting failed. Returns how long to pause: zero if only a single peer was concerned, longer every time if we
    /// are out of descriptors or memory, or do not know what is wrong: trying again at once would spin.
    pub(crate) fn failed(&mut self, error: Errno) -> Duration {
        if concerns_a_single_peer(error) {
            return Duration::ZERO;
        }
        self.delay = (self.delay * 2).clamp(Self::FIRST, Self::MAX);
        self.until = Some(Instant::now() + self.delay);
        self.delay
    }

    /// A peer was accepted: the next pause starts short again.
    pub(crate) fn succeeded(&mut self) {
        self.delay = Duration::ZERO;
    }

    /// The listener is closed: no pause is left to end.
    pub(crate) fn cancel(&mut self) {
        *self = Self::default();
    }

    /// Whether accepting is paused.
    pub(crate) fn is_pausing(&self) -> bool {
        self.until.is_some()
    }

    /// How long the pause goes on; `None` when there is none.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Ends the pause if its time has come. Whether it has.
    pub(crate) fn resume(&mut self) -> bool {
        let over = self.remaining() == Some(Duration::ZERO);
        if over {
            self.until = None;
        }
        over
    }
}

/// Errors of accept(2) that say something about the peer that was next in the queue, not about us.
fn concerns_a_single_peer(error: Errno) -> bool {
    matches!(
        error,
        Errno::CONNABORTED
            | Errno::PROTO
            | Errno::PERM
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::NONET
            | Errno::HOSTUNREACH
            | Errno::OPNOTSUPP
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::TIMEDOUT
            | Errno::INTR
            | Errno::AGAIN
    )
}

/// Accepts the peers that wait in the queue of a listener that is to be closed.
pub(crate) fn empty_queue(
    listener: ListenerId,
    socket: &OwnedFd,
    flags: SocketFlags,
    events: &mut Vec<Event>,
) {
    let nonblocking = fcntl_getfl(socket).and_then(|old| fcntl_setfl(socket, old | OFlags::NONBLOCK));
    if nonblocking.is_err() {
        return;
    }
    loop {
        match accept_with(socket, flags) {
            Ok(descriptor) => events.push(Event::Accepted { listener, descriptor }),
            Err(Errno::AGAIN) => return,
            Err(error) if concerns_a_single_peer(error) => {}
            Err(error) => {
                events.push(Event::AcceptFailed { listener, error, pause: Duration::ZERO });
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_and_starts_short_again_after_a_success() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.failed(Errno::MFILE), Duration::from_millis(10));
        assert_eq!(backoff.failed(Errno::MFILE), Duration::from_millis(20));
        for _ in 0..20 {
            assert!(backoff.failed(Errno::NOMEM) <= Backoff::MAX);
        }
        assert!(backoff.is_pausing());
        backoff.succeeded();
        assert_eq!(backoff.failed(Errno::NFILE), Duration::from_millis(10));
    }

    #[test]
    fn one_peer_that_left_early_does_not_pause_the_others() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.failed(Errno::CONNABORTED), Duration::ZERO);
        assert!(!backoff.is_pausing());
    }
}
