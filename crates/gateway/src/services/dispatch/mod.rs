//! Events on their way to services, on the control side: [`request`] is what a service hears, [`answers`] what it says.

mod answers;
mod request;

use std::sync::Arc;
use std::time::Duration;

use holdfast_upstream::Outcome as Posted;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::hubs::Hubs;
use super::note::{Event, Note, Outcome};
use super::what::What;
use crate::Handle;
use crate::counters::EventOutcome;

/// How long a disconnected event rests between two tries.
const REST: Duration = Duration::from_secs(5);

/// Sends events.
pub(super) struct Dispatcher {
    pub(super) handle: Handle,
    pub(super) hubs: Arc<Hubs>,
    /// True when there is no time left for what has not been sent.
    pub(super) hurry: watch::Receiver<bool>,
}

impl Dispatcher {
    /// Sends events until no shard is left that has some, and all have been sent or given up. How many there are is
    /// bounded where they are made.
    pub(super) async fn run(self, mut events: UnboundedReceiver<Event>) {
        let this = Arc::new(self);
        let mut open = JoinSet::new();
        while let Some(event) = events.recv().await {
            let this = Arc::clone(&this);
            open.spawn(async move { this.deliver(event).await });
            while open.try_join_next().is_some() {}
        }
        while open.join_next().await.is_some() {}
        // First: no time may be left behind listeners.
        this.hubs.say_what_is_lost();
        this.hubs.finish_listeners().await;
    }

    async fn deliver(&self, event: Event) {
        let mut hurry = self.hurry.clone();
        let posted = tokio::select! {
            biased;
            posted = self.post(&event) => Some(posted),
            _ = hurry.wait_for(|it| *it) => None,
        };
        let Some(posted) = posted else {
            event.hub.lose(event.hub.counts.of_control(), event.what.kind());
            return self.write_letter(&event);
        };
        self.conclude(event, posted);
    }

    /// One that nobody waits for is tried again for longer than the others.
    async fn post(&self, event: &Event) -> Posted {
        let What::Disconnected { .. } = event.what else { return self.post_once(event).await };
        let until = Instant::now() + event.hub.config().disconnected_timeout;
        loop {
            let posted = self.post_once(event).await;
            let may_pass = posted.result.as_ref().map_or(true, holdfast_upstream::Answer::is_passing);
            if !may_pass || Instant::now() + REST >= until {
                return posted;
            }
            // Without a place meanwhile: others may have a service that is there.
            sleep(REST).await;
        }
    }

    async fn post_once(&self, event: &Event) -> Posted {
        let gate = &event.hub.gate;
        let _place = match event.what {
            // Who wants to connect has been counted already, and does not wait behind those who talk.
            What::Connect { .. } => None,
            What::Disconnected { .. } => gate.farewells_under_way.take().await,
            _ => gate.under_way.take().await,
        };
        // What is under way takes some KiB, and what waits for that is not to have them yet.
        Box::pin(self.post_now(event)).await
    }

    async fn post_now(&self, event: &Event) -> Posted {
        event.service.ask(&event.hub.name, self.hubs.origin()).await;
        let posted = request::post(event, &self.handle, &self.hubs).await;
        let counts = event.hub.counts.of_control();
        counts.repeats.add(posted.report.attempts.saturating_sub(1).into());
        counts.event_duration.record(posted.report.latency);
        posted
    }

    /// Tells the shard what came of it.
    fn conclude(&self, event: Event, posted: Posted) {
        let (connection, kind) = (event.connection, event.what.kind());
        let is_heard = posted.result.as_ref().is_ok_and(holdfast_upstream::Answer::is_success);
        let (outcome, note) = match event.what {
            What::Connect { handshake, .. } => {
                let (outcome, answer) = answers::admitted(&event, posted, &self.hubs);
                (outcome, Some(Note::Connect { handshake, answer }))
            }
            What::Said { .. } => {
                let answer = answers::answered(&event, &posted, &self.hubs);
                (heard(!matches!(answer, Outcome::Failed)), Some(Note::Done { connection, outcome: answer }))
            }
            What::Connected => (heard(is_heard), Some(Note::Done { connection, outcome: Outcome::Heard })),
            What::Disconnected { .. } => {
                if !is_heard {
                    self.write_letter(&event);
                }
                (heard(is_heard), None)
            }
        };
        event.hub.counts.of_control().event(kind, outcome);
        // Free before the shard hears of it, which may have the next one waiting.
        drop(event);
        if let Some(note) = note {
            let _ = self.handle.tell(connection.shard, Box::new(note));
        }
    }

    /// A disconnected event will not be heard: it is written down if settings say where.
    fn write_letter(&self, event: &Event) {
        event.hub.write_letter(|| event.letter(self.handle.names(), self.hubs.origin().host()));
    }
}

fn heard(is_heard: bool) -> EventOutcome {
    if is_heard { EventOutcome::Ok } else { EventOutcome::Failed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::bytes::EVENT_BYTES;

    #[test]
    fn an_event_that_waits_takes_no_more_than_is_counted() {
        fn size<F: Future>(_: impl FnOnce(&'static Dispatcher, Event) -> F) -> usize {
            size_of::<F>()
        }
        let waiting = size(Dispatcher::deliver);
        let under_way = size(|it, event| async move { it.post_now(&event).await });
        // A task has a header, and an event has texts.
        assert!(waiting + 256 <= EVENT_BYTES, "{waiting}");
        assert!(under_way <= 4096, "{under_way}");
    }
}
