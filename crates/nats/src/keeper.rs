//! Keeps a connection: makes one, makes another when it is lost, and makes the other first where its server tells that
//! it is about to end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::link::{End, Heard, Link};
use crate::message::Received;
use crate::places::{Places, jittered};
use crate::queue::Queue;
use crate::shared::Shared;

/// The longest first wait, and the longest of all.
const WAIT: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(5);
/// A connection that lasted so long was a good one: waits begin anew.
const LASTED: Duration = Duration::from_secs(10);
/// How long what is on its way between two servers may take to be shown to have come.
const CROSS_WITHIN: Duration = Duration::from_secs(2);
/// How long servers that neither of two connections has may be behind.
const SPREAD: Duration = Duration::from_millis(250);

/// Never ends: it is aborted.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut places = Places::new(&shared.plan);
    let mut wait = WAIT;
    loop {
        let link = connect(&shared, &mut places, None, &*shared).await;
        shared.here(&link);
        let start = Instant::now();
        let reason = live(&shared, &mut places, link).await;
        shared.away(reason);
        wait = if start.elapsed() >= LASTED { WAIT } else { longer(wait) };
        sleep(jittered(wait)).await;
    }
}

fn longer(wait: Duration) -> Duration {
    (wait * 2).min(WAIT_MAX)
}

/// A connection to any server but this one, however long that takes.
async fn connect(shared: &Shared, places: &mut Places, not: Option<&str>, heard: &impl Heard) -> Link {
    let mut wait = WAIT;
    loop {
        for place in places.order() {
            let mut link = match Link::open(&shared.plan, &place, &shared.tally).await {
                Ok(link) if not.is_some_and(|not| link.server_id == not || link.is_lame()) => continue,
                Ok(link) => link,
                Err(reason) => {
                    shared.failed(reason);
                    continue;
                }
            };
            match link.prove(&shared.plan, heard).await {
                Ok(()) => {
                    places.learn(&shared.plan, link.others());
                    return link;
                }
                Err(reason) => shared.failed(reason),
            }
        }
        sleep(jittered(wait)).await;
        wait = longer(wait);
    }
}

/// Serves a connection, and those that it is exchanged for, until one is lost.
async fn live(shared: &Shared, places: &mut Places, mut link: Link) -> String {
    loop {
        let end = link.serve(&shared.plan, shared, Some(&shared.queue)).await;
        places.learn(&shared.plan, link.others());
        places.lost(&link.url);
        match end {
            End::Lost(reason) => return reason,
            End::LameDuck => {}
        }
        match exchange(shared, places, link).await {
            Ok(next) => link = next,
            Err(reason) => return reason,
        }
    }
}

/// What comes by a connection while another is still listened to.
struct Held<'s> {
    shared: &'s Shared,
    queue: Queue<Received>,
    bytes_max: usize,
    is_full: Notify,
}

impl Heard for Held<'_> {
    fn heard(&self, message: Received) {
        if self.queue.push(message, false).is_err() {
            self.shared.too_long();
        }
        if self.queue.bytes() > self.bytes_max / 2 {
            self.is_full.notify_one();
        }
    }

    fn alive(&self) {}

    fn bare(&self) {
        self.shared.bare();
    }

    fn too_long(&self) {
        self.shared.too_long();
    }

    fn denied(&self, reason: String, subject: Option<&str>) -> Option<String> {
        // What the one before was denied is no reason to leave this one.
        subject.is_none().then_some(reason)
    }
}

/// Another connection for one whose server is about to end, so that nothing is lost. Until there is one, and whenever
/// it is lost again, the old one serves. An error says why that is lost.
async fn exchange(shared: &Shared, places: &mut Places, mut old: Link) -> Result<Link, String> {
    let mut wait = WAIT;
    loop {
        let bytes_max = shared.plan.options.queue_bytes;
        let held = Held { shared, queue: Queue::new(bytes_max, true), bytes_max, is_full: Notify::new() };
        let id = old.server_id.clone();
        let new = tokio::select! {
            reason = until_lost(shared, &mut old, true) => return Err(reason),
            new = connect(shared, places, Some(&id), &held) => new,
        };
        match take_over(shared, &mut old, new, &held).await {
            Ok(new) => {
                drop(old);
                shared.here(&new);
                while let Some(message) = held.queue.pop() {
                    shared.heard(message);
                }
                return Ok(new);
            }
            Err(reason) => shared.failed(reason),
        }
        tokio::select! {
            reason = until_lost(shared, &mut old, true) => return Err(reason),
            () = sleep(jittered(wait)) => wait = longer(wait),
        }
    }
}

/// Waits until the new connection may be spoken to. All that comes by it waits until the old one has told what it has:
/// what both tell is dropped by its number the second time. Nothing is said by the new one before all that was said by
/// the old one has come to the new one's server, and nothing by the old one meanwhile. An error says why the new one
/// cannot be used.
async fn take_over(shared: &Shared, old: &mut Link, mut new: Link, held: &Held<'_>) -> Result<Link, String> {
    let (from, to) = (old.probes.clone(), new.probes.clone());
    let _exchanged = Exchanged::new(shared);
    let is_over = async {
        let crossed = async {
            from.all_proved().await;
            from.cross(&to).await;
        };
        let _ = timeout(CROSS_WITHIN, crossed).await;
        sleep(SPREAD).await;
    };
    tokio::select! {
        () = is_over => {}
        () = held.is_full.notified() => {}
        // Nothing more comes by it.
        _ = until_lost(shared, old, false) => {}
        end = new.serve(&shared.plan, held, None) => return Err(match end {
            End::Lost(reason) => reason,
            End::LameDuck => format!("{} is about to end, too", new.server),
        }),
    }
    Ok(new)
}

/// While this lives nothing is sent.
struct Exchanged<'s>(&'s Shared);

impl<'s> Exchanged<'s> {
    fn new(shared: &'s Shared) -> Self {
        shared.is_exchanged.store(true, Ordering::Relaxed);
        Self(shared)
    }
}

impl Drop for Exchanged<'_> {
    fn drop(&mut self) {
        self.0.is_exchanged.store(false, Ordering::Relaxed);
    }
}

/// Serves a connection whose server is about to end, however often it says so.
async fn until_lost(shared: &Shared, link: &mut Link, is_sending: bool) -> String {
    loop {
        let queue = is_sending.then_some(&shared.queue);
        if let End::Lost(reason) = link.serve(&shared.plan, shared, queue).await {
            return reason;
        }
    }
}
