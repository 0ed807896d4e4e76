//! The connections of one address.
//!
//! A request borrows one as a [`Lease`]: an HTTP/1.1 connection of its own, or a share of one by HTTP/2. There are
//! never more connections than leases may be out at once: a new one is made only where none is idle.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::http2;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use crate::address::Origin;
use crate::answer::{Failure, Kind};
use crate::client::Client;
use crate::dial::{Body, Link, Meter, Sender, dial};
use crate::limits::Limits;

/// Requests at once on a connection by HTTP/2. Hardly a server allows fewer.
const STREAMS_MAX: usize = 100;
/// How long a connection may take to be ready again after an answer: a service may have answered before it has read
/// all of the request, and may never read the rest.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// The connections of one address.
#[derive(Debug)]
pub(crate) struct Pool {
    origin: Origin,
    client: Client,
    limits: Limits,
    permits: Arc<Semaphore>,
    /// Held by who connects while it may be that the others can use the connection too.
    dialling: tokio::sync::Mutex<()>,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    idle: Vec<Idle>,
    shared: Vec<Shared>,
    /// Whether the last connection was by HTTP/1.1, so that the next will be.
    is_http1: bool,
    /// Whether a task looks after what is idle.
    is_swept: bool,
}

/// A connection by HTTP/1.1 that nobody uses.
#[derive(Debug)]
struct Idle {
    link: Link,
    born: Instant,
    until: Instant,
}

/// A connection by HTTP/2.
#[derive(Debug)]
struct Shared {
    sender: http2::SendRequest<Body>,
    meter: Arc<Meter>,
    born: Instant,
    /// When a request last began or was answered.
    touched: Instant,
    /// One more than there are requests.
    seats: Arc<()>,
}

impl Shared {
    fn has_seats(&self) -> bool {
        Arc::strong_count(&self.seats) <= STREAMS_MAX
    }

    fn is_unused(&self) -> bool {
        Arc::strong_count(&self.seats) == 1
    }
}

/// A connection, or a share of one, for one request. Dropped, an HTTP/1.1 connection ends.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) link: Link,
    /// Whether it carried requests before.
    pub(crate) is_used: bool,
    born: Instant,
    pool: Arc<Pool>,
    permit: OwnedSemaphorePermit,
    /// Of HTTP/2.
    _seat: Option<Arc<()>>,
}

impl Pool {
    pub(crate) fn new(origin: Origin, client: Client, limits: Limits) -> Self {
        let most = limits.connections_max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            origin,
            client,
            limits,
            permits: Arc::new(Semaphore::new(most)),
            dialling: tokio::sync::Mutex::default(),
            shelf: Mutex::default(),
        }
    }

    /// Waits until one more request may be under way.
    pub(crate) async fn wait(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let permits = Arc::clone(&self.permits);
        permits.acquire_owned().await.map_err(|error| Failure::unsent(Kind::Busy, error))
    }

    /// A connection: one that there is, if it was made at `newer` or later, or a new one.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        newer: Option<Instant>,
    ) -> Result<Lease, Failure> {
        let found = match self.pick(newer) {
            Some(found) => found,
            None => timeout(self.limits.connect_max, self.join_or_dial(newer))
                .await
                .unwrap_or_else(|_| Err(Failure::unsent(Kind::Connect, "it took too long")))?,
        };
        let Found { link, born, is_used, seat } = found;
        Ok(Lease { link, is_used, born, pool: Arc::clone(self), permit, _seat: seat })
    }

    /// Where others connect, and all may share what comes of it, waits for that. Else connects.
    async fn join_or_dial(&self, newer: Option<Instant>) -> Result<Found, Failure> {
        let mut turn = None;
        if self.may_share() {
            turn = Some(self.dialling.lock().await);
            if let Some(found) = self.pick(newer) {
                return Ok(found);
            }
        }
        if !self.may_share() {
            drop(turn);
        }
        // TLS handshakes take 10 KiB, which requests on a connection that is there are not to have.
        let link = Box::pin(dial(&self.origin, &self.client, &self.limits)).await?;
        Ok(self.found(link, Instant::now()))
    }

    fn may_share(&self) -> bool {
        matches!(self.origin, Origin::Tcp { is_tls: true, .. }) && !self.shelf().is_http1
    }

    /// A new connection; one by HTTP/2 is for others too from now on.
    fn found(self: &Pool, link: Link, now: Instant) -> Found {
        let mut shelf = self.shelf();
        let Link { sender, meter } = link;
        shelf.is_http1 = matches!(sender, Sender::Http1(_));
        let mut seat = None;
        if let Sender::Http2(sender) = &sender {
            let seats = Arc::clone(seat.insert(Arc::new(())));
            let (sender, meter) = (sender.clone(), Arc::clone(&meter));
            shelf.shared.push(Shared { sender, meter, born: now, touched: now, seats });
        }
        Found { link: Link { sender, meter }, born: now, is_used: false, seat }
    }

    /// One that there is, made at `newer` or later. The last that was used is the first that is used again.
    fn pick(&self, newer: Option<Instant>) -> Option<Found> {
        let now = Instant::now();
        let is_newer = |born: Instant| newer.is_none_or(|newer| born >= newer);
        let mut shelf = self.shelf();
        shelf.tidy(now, self.limits.age_max, self.limits.idle_max);
        while let Some(index) = shelf.idle.iter().rposition(|idle| is_newer(idle.born)) {
            let Idle { link, born, .. } = shelf.idle.remove(index);
            if matches!(&link.sender, Sender::Http1(sender) if sender.is_ready()) {
                return Some(Found { link, born, is_used: true, seat: None });
            }
        }
        let mut shared = shelf.shared.iter_mut();
        let shared = shared.find(|shared| is_newer(shared.born) && shared.has_seats())?;
        shared.touched = now;
        let link = Link { sender: Sender::Http2(shared.sender.clone()), meter: Arc::clone(&shared.meter) };
        Some(Found { link, born: shared.born, is_used: true, seat: Some(Arc::clone(&shared.seats)) })
    }

    /// Keeps a connection by HTTP/1.1 for the next request.
    fn keep(self: &Arc<Self>, link: Link, born: Instant, idle_max: Duration) {
        let now = Instant::now();
        let until = (now + idle_max).min(born + self.limits.age_max);
        if until > now {
            self.shelf().idle.push(Idle { link, born, until });
            self.have_swept();
        }
    }

    /// An answer came by HTTP/2.
    fn touch(self: &Arc<Self>, meter: &Arc<Meter>) {
        let now = Instant::now();
        if let Some(shared) = self.shelf().shared.iter_mut().find(|shared| Arc::ptr_eq(&shared.meter, meter))
        {
            shared.touched = now;
        }
        self.have_swept();
    }

    /// Sees to it that what is idle for too long ends, though there be no further requests.
    fn have_swept(self: &Arc<Self>) {
        if !std::mem::replace(&mut self.shelf().is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections are kept.
    #[cfg(test)]
    fn kept(&self) -> usize {
        let shelf = self.shelf();
        shelf.idle.len() + shelf.shared.len()
    }
}

/// A connection, before it is known whom it is for.
struct Found {
    link: Link,
    born: Instant,
    is_used: bool,
    seat: Option<Arc<()>>,
}

impl Shelf {
    /// Lets go of what is too old, idle for too long, or closed. What has requests under way ends with them.
    fn tidy(&mut self, now: Instant, age_max: Duration, idle_max: Duration) {
        self.idle.retain(|idle| {
            now < idle.until && matches!(&idle.link.sender, Sender::Http1(sender) if !sender.is_closed())
        });
        self.shared.retain(|shared| {
            let is_idle = shared.is_unused() && now >= shared.touched + idle_max;
            now < shared.born + age_max && !is_idle && !shared.sender.is_closed()
        });
    }

    /// When there is something to tidy again.
    fn next(&self, now: Instant, age_max: Duration, idle_max: Duration) -> Option<Instant> {
        let idle = self.idle.iter().map(|idle| idle.until);
        let shared = self.shared.iter().map(|shared| {
            let unused = if shared.is_unused() { shared.touched } else { now };
            (unused + idle_max).min(shared.born + age_max)
        });
        idle.chain(shared).min()
    }
}

/// Tidies until nothing is kept.
async fn sweep(pool: Weak<Pool>) {
    loop {
        let next = {
            let Some(pool) = pool.upgrade() else { return };
            let (now, age_max, idle_max) = (Instant::now(), pool.limits.age_max, pool.limits.idle_max);
            let mut shelf = pool.shelf();
            shelf.tidy(now, age_max, idle_max);
            let next = shelf.next(now, age_max, idle_max);
            shelf.is_swept = next.is_some();
            next
        };
        let Some(next) = next else { return };
        sleep_until(next).await;
    }
}

impl Lease {
    /// The answer is whole: the connection may be used again, for so long as the service says that it keeps it.
    pub(crate) fn give_back(self, kept: Option<Duration>) {
        let Self { link, born, pool, permit, .. } = self;
        let idle_max = kept.map_or(pool.limits.idle_max, |kept| kept.min(pool.limits.idle_max));
        match &link.sender {
            Sender::Http2(_) => pool.touch(&link.meter),
            Sender::Http1(sender) if sender.is_ready() => pool.keep(link, born, idle_max),
            Sender::Http1(sender) if sender.is_closed() => {}
            Sender::Http1(_) => drop(tokio::spawn(settle(link, born, pool, permit, idle_max))),
        }
    }

    /// The connection is not to be used for anything else: a request on it failed. Others under way go on.
    pub(crate) fn retire(self) {
        self.pool.shelf().shared.retain(|shared| !Arc::ptr_eq(&shared.meter, &self.link.meter));
    }
}

/// Keeps a connection once it is ready.
async fn settle(
    mut link: Link,
    born: Instant,
    pool: Arc<Pool>,
    permit: OwnedSemaphorePermit,
    idle_max: Duration,
) {
    let Sender::Http1(sender) = &mut link.sender else { return };
    if matches!(timeout(SETTLE_MAX, sender.ready()).await, Ok(Ok(()))) {
        pool.keep(link, born, idle_max);
    }
    drop(permit);
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;
    use crate::dial::tls::Tls;

    #[tokio::test(start_paused = true)]
    async fn what_is_idle_or_old_for_too_long_ends_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let limits = Limits { age_max: Duration::from_secs(6), ..Limits::default() };
        let pool = Arc::new(Pool::new(Origin::Unix(path), Client::new(Tls::new(None).unwrap()), limits));
        for (kept, until) in [(None, 4), (Some(Duration::from_secs(1)), 1)] {
            let lease = pool.lease(pool.wait().await.unwrap(), Some(Instant::now())).await.unwrap();
            let (_peer, _) = listener.accept().await.unwrap();
            let begun = Instant::now();
            lease.give_back(kept);
            while pool.kept() == 0 {
                tokio::task::yield_now().await;
            }
            while pool.kept() > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let passed = begun.elapsed();
            assert!(
                passed.as_secs_f64() >= f64::from(until) && passed.as_secs_f64() < f64::from(until) + 0.5
            );
        }
        // Given back again and again, it gets no older than it may.
        let lease = pool.lease(pool.wait().await.unwrap(), Some(Instant::now())).await.unwrap();
        let (_peer, _) = listener.accept().await.unwrap();
        let born = lease.born;
        lease.give_back(None);
        while pool.kept() == 0 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let lease = pool.lease(pool.wait().await.unwrap(), None).await.unwrap();
        assert!(lease.is_used && lease.born == born);
        lease.give_back(None);
        while pool.kept() > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(born.elapsed() < Duration::from_millis(6_500), "{:?}", born.elapsed());
    }
}
