//! The drain: answer 503 to whoever comes, say goodbye to everyone, not all at once, and end or stay.
//!
//! The listeners stay open until no shard has anything left: closing one resets what is queued at it.

use std::time::Duration;

use holdfast_ring::{Driver, Event};

use super::goodbyes::{Drain, Order};
use super::planted::{Planted, is_planted};
use super::{Owner, Policy, Shard, State};
use crate::application::Application;
use crate::counters::{CloseCode, CloseReason};
use crate::handle::DrainPlan;

/// By how much later than its deadline one that is turned away may have gone: whole seconds, and beats of the sweep.
const SWEEPS: Duration = Duration::from_secs(4);

impl<D: Driver, A: Application> Shard<D, A> {
    /// A drain begins, or the one that is under way goes on as `plan` says.
    pub(super) fn begin_drain(&mut self, plan: DrainPlan) {
        if self.drain.as_ref().is_some_and(|drain| drain.plan.ends && !plan.ends) {
            return;
        }
        // Goodbyes that were said are not said again: who has heard one is not open any more.
        let seed = self.core.counters.opened.get() ^ (u64::from(self.core.shard) << 48);
        let order = Order::new(self.sweep.keys(), seed);
        self.drain = Some(Drain::new(plan, self.core.clock.now(), order));
        self.core.handle.mailbox(self.core.shard).shut();
        self.turn_away_handshakes();
    }

    /// The drain is taken back, unless it is for the end: those who have heard their goodbye leave, the others stay.
    pub(super) fn resume(&mut self) {
        if self.drain.as_ref().is_some_and(|drain| !drain.plan.ends) {
            self.drain = None;
            self.core.handle.mailbox(self.core.shard).open(self.core.policy.connections_max);
        }
    }

    /// Says the goodbyes that are due.
    pub(super) fn go_on_draining(&mut self) {
        let now = self.core.clock.now();
        let mut said = 0;
        // Empty records cost next to nothing to pass, so a turn may pass many of them.
        for _ in 0..16 * Policy::CLOSES_PER_TURN {
            let Some(drain) = &mut self.drain else { return };
            if said == Policy::CLOSES_PER_TURN || drain.next_due().is_none_or(|due| due > now) {
                break;
            }
            let key = drain.order.key(drain.step);
            drain.step += 1;
            if let Some(key) = key.filter(|key| self.core.connections.contains(*key as usize)) {
                said += usize::from(self.say_goodbye(key));
            }
        }
        self.tell_when_empty();
    }

    /// Whether there was anyone to say it to.
    fn say_goodbye(&mut self, key: u32) -> bool {
        if self.connection(key).state() == State::Away {
            // Nobody will be here to come back to.
            self.end_away(key, CloseReason::Drain, CloseCode::None);
            return true;
        }
        let open = self.connection(key).state().may_send();
        if open {
            self.core.counters.goodbyes.add(1);
            self.begin_close(key, CloseReason::Drain, self.core.policy.drain_code, "");
        }
        open
    }

    /// How long until the drain has something to do, if ever.
    pub(super) fn until_goodbye(&self) -> Option<Duration> {
        self.drain.as_ref()?.until_next(self.core.clock.now())
    }

    /// Who has nothing left waits for the others, with open listeners.
    fn tell_when_empty(&mut self) {
        // Those whose requests are being served elsewhere may come back, and hear why they cannot stay.
        let is_awaited = self.core.handle.inbox().requests() > 0;
        let Some(drain) = &mut self.drain else { return };
        if is_awaited || self.core.len() > 0 {
            drain.empty_since = None;
        } else if drain.empty_since.is_none() {
            drain.empty_since = Some(self.core.clock.second());
        }
        let empty = self.has_nothing_left();
        let Some(drain) = &mut self.drain else { return };
        if empty && drain.plan.ends && !drain.told {
            drain.told = true;
            self.core.handle.drained(self.core.shard);
        }
    }

    /// No connections, nothing the application waits for, and nobody who is being turned away; of those there may be
    /// ever more, so that they are waited for only as long as one of them may take.
    fn has_nothing_left(&self) -> bool {
        let Some(drain) = self.drain.as_ref().filter(|_| self.core.len() == 0) else {
            return false;
        };
        let served_elsewhere = self.core.handle.inbox().requests() > 0;
        !served_elsewhere
            && (self.application.is_idle() || is_planted(Planted::EndsBusy))
            && (self.core.handshakes.is_empty() || drain.empty_since.is_some_and(|it| self.is_long_ago(it)))
    }

    /// Whether whoever was being turned away in that second has gone, or had the time to.
    fn is_long_ago(&self, second: u32) -> bool {
        let longest = Policy::REFUSAL_TIME + self.core.policy.close_timeout + SWEEPS;
        self.core.clock.second() > second + whole_seconds(longest)
    }

    /// Whether those who are being turned away are waited for no longer.
    #[cfg(test)]
    pub(super) fn gives_up_waiting(&self) -> bool {
        let since = self.drain.as_ref().and_then(|drain| drain.empty_since);
        since.is_some_and(|since| self.is_long_ago(since))
    }

    /// No shard has anything left. What is queued at the listeners is still accepted, and answered, before they close.
    pub(super) fn stop_listening(&mut self) {
        if !std::mem::replace(&mut self.unlistened, true) {
            for listener in self.listeners.clone() {
                self.driver.unlisten(listener);
            }
        }
    }

    /// Whether the drain is over, and the shard with it.
    pub(super) fn is_drained(&self) -> bool {
        self.drain.as_ref().is_some_and(|drain| drain.plan.ends)
            && self.listeners.is_empty()
            && self.has_nothing_left()
    }

    /// The end was ordered: those who are queued at the listeners, or in their opening handshake, still hear why, as
    /// far as that goes at once.
    pub(super) fn turn_away_the_queued(&mut self) -> rustix::io::Result<()> {
        /// A queue that fills as fast as it is emptied is left.
        const TURNS_MAX: usize = 64;
        const TURN: Duration = Duration::from_millis(10);
        self.stop_listening();
        self.refuse_handshakes();
        let mut events = Vec::new();
        for _ in 0..TURNS_MAX {
            if self.listeners.is_empty() && !self.is_refusing() {
                break;
            }
            self.driver.turn(TURN, &mut events)?;
            for event in events.drain(..) {
                self.on_last_event(event);
            }
        }
        Ok(())
    }

    /// Connections are cut, so that theirs mean nothing any more.
    #[cold]
    fn on_last_event(&mut self, event: Event) {
        let token = match event {
            Event::Accepted { descriptor, .. } => {
                self.core.counters.accepted.add(1);
                return self.turn_away_at_once(&descriptor);
            }
            Event::Sent { token, .. }
            | Event::Failed { token, .. }
            | Event::Closed { token }
            | Event::Released { token, .. } => Some(token),
            Event::Unlistened { .. } => None,
            _ => return,
        };
        if token.is_none_or(|token| matches!(self.owner(token), Owner::Handshake(_))) {
            self.on_event(event);
        }
    }
}

fn whole_seconds(period: Duration) -> u32 {
    u32::try_from(period.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
}
