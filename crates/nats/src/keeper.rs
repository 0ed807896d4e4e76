//! Keeps a connection: makes one, makes another when it is lost, and makes the other first where its server tells that
//! it is about to end.

use std::sync::Arc;
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
            let mut link = match Link::open(&shared.plan, &place, &shared.dropped).await {
                Ok(link) if Some(&*link.server_id) == not => continue,
                Ok(link) => link,
                Err(reason) => {
                    shared.failed(reason);
                    continue;
                }
            };
            match link.prove(heard).await {
                Ok(()) => {
                    places.learn(&shared.plan, &link.others);
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
        match link.serve(shared, Some(&shared.queue), &shared.sent).await {
            End::Lost(reason) => {
                places.lost(&link.url);
                return reason;
            }
            End::LameDuck => {}
        }
        places.lost(&link.url);
        match exchange(shared, places, link).await {
            Ok(next) => link = next,
            Err(reason) => return reason,
        }
    }
}

/// What comes by a connection while another is still listened to.
struct Held {
    queue: Queue<Received>,
    bytes_max: usize,
    is_full: Notify,
}

impl Heard for Held {
    fn heard(&self, message: Received) {
        // What has no room would be a gap, which is counted by numbers.
        let _ = self.queue.push(message, false);
        if self.queue.bytes() > self.bytes_max / 2 {
            self.is_full.notify_one();
        }
    }

    fn alive(&self) {}

    fn denied(&self, reason: String, _: Option<&str>) -> Option<String> {
        Some(reason)
    }
}

/// Another connection for one whose server is about to end, so that nothing is lost. All that comes by the new one
/// waits until the old one has told what it has: what both tell is dropped by its number the second time. Nothing is
/// said by the new one before all that was said by the old one has come to the new one's server.
async fn exchange(shared: &Shared, places: &mut Places, mut old: Link) -> Result<Link, String> {
    let bytes_max = shared.plan.options.queue_bytes;
    let held = Held { queue: Queue::new(bytes_max, true), bytes_max, is_full: Notify::new() };
    let id = old.server_id.clone();
    let mut new = tokio::select! {
        reason = until_lost(shared, &mut old) => return Err(reason),
        new = connect(shared, places, Some(&id), &held) => new,
    };
    let (from, to) = (old.door(), new.door());
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
        _ = old.serve(shared, None, &shared.sent) => {}
        end = new.serve(&held, None, &shared.sent) => return Err(match end {
            End::Lost(reason) => reason,
            End::LameDuck => format!("{} is about to end, too", new.server),
        }),
    }
    drop(old);
    shared.here(&new);
    while let Some(message) = held.queue.pop() {
        shared.heard(message);
    }
    Ok(new)
}

async fn until_lost(shared: &Shared, link: &mut Link) -> String {
    loop {
        if let End::Lost(reason) = link.serve(shared, Some(&shared.queue), &shared.sent).await {
            return reason;
        }
    }
}
