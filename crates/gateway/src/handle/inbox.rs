//! What shards tell the control side: one inbox for all of them, read by whoever serves what they do not.
//!
//! It is bounded by kind, before anything is given up for it: a shard that finds no room keeps what it has and deals
//! with it itself. So a shard never waits for the control side, and nothing that was put in is lost.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::origin::Origin;

/// Most requests that are handed to the control side and not dropped yet, in the inbox or being served, unless
/// rest-connections-max says otherwise. Where so many are, the next ones are answered 503 by their shards.
pub const REQUESTS_MAX: u32 = 256;

/// What a shard tells.
#[derive(Debug)]
pub enum Report {
    /// An HTTP request that asks for no WebSocket, with its connection.
    Request(HandedRequest),
}

/// A connection whose request a shard does not serve. The client has noticed nothing yet.
///
/// Dropped, it closes the connection. [`Handle::serve`](crate::Handle::serve) gives it back to a shard.
#[derive(Debug)]
pub struct HandedRequest {
    /// Its socket, non-blocking or not as its driver has left it; no shard reads it any more.
    pub descriptor: OwnedFd,
    /// All that has come: its request line at least.
    pub bytes: Vec<u8>,
    /// Whose connection it is.
    pub origin: Origin,
    /// Its place among those that may be handed over.
    pub permit: RequestPermit,
}

/// One of the places for requests; free again when it is dropped.
#[derive(Debug)]
pub struct RequestPermit(Arc<AtomicU32>);

impl Drop for RequestPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// The inbox. See the module's documentation.
#[derive(Debug)]
pub struct Inbox {
    reports: Mutex<VecDeque<Report>>,
    news: Notify,
    requests: Arc<AtomicU32>,
    requests_max: u32,
    is_closed: AtomicBool,
}

impl Inbox {
    /// With places for so many requests.
    pub(crate) fn new(requests_max: u32) -> Self {
        Self {
            reports: Mutex::default(),
            news: Notify::new(),
            requests: Arc::default(),
            requests_max,
            is_closed: AtomicBool::new(false),
        }
    }

    /// A place for a request, if there is one.
    pub(crate) fn claim_request(&self) -> Option<RequestPermit> {
        if self.is_closed.load(Relaxed) {
            return None;
        }
        let claim = |taken: u32| (taken < self.requests_max).then_some(taken + 1);
        self.requests.fetch_update(Relaxed, Relaxed, claim).ok()?;
        Some(RequestPermit(Arc::clone(&self.requests)))
    }

    /// From now on there is no place for a request: the last connection has gone, and the gateway is about to end.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Relaxed);
    }

    /// How many requests are in it, or being served.
    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Relaxed)
    }

    /// How many there may be.
    pub(crate) fn requests_max(&self) -> u32 {
        self.requests_max
    }

    /// Puts in what has its place.
    pub(crate) fn put(&self, report: Report) {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push_back(report);
        self.news.notify_one();
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes the oldest report, if there is one.
    pub fn try_take(&self) -> Option<Report> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Waits for a report: for one task.
    pub async fn take(&self) -> Report {
        loop {
            if let Some(report) = self.try_take() {
                return report;
            }
            self.news.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_requests_as_there_are_places_and_a_dropped_one_makes_room() {
        let inbox = Inbox::new(3);
        let mut permits: Vec<_> = (0..4).map_while(|_| inbox.claim_request()).collect();
        assert_eq!((permits.len(), inbox.claim_request().is_some()), (3, false));
        permits.pop();
        assert!(inbox.claim_request().is_some());
        inbox.close();
        assert!(inbox.claim_request().is_none(), "it takes none any more");
    }

    #[tokio::test]
    async fn reports_come_in_order_and_wake_who_waits() {
        let inbox = Arc::new(Inbox::new(2));
        let reader = tokio::spawn({
            let inbox = Arc::clone(&inbox);
            async move { [inbox.take().await, inbox.take().await].map(|Report::Request(it)| it.bytes) }
        });
        for byte in [1, 2] {
            tokio::task::yield_now().await;
            let permit = inbox.claim_request().expect("there is room");
            let descriptor = std::fs::File::open("/dev/null").expect("it is there").into();
            inbox.put(Report::Request(HandedRequest {
                descriptor,
                bytes: vec![byte],
                origin: Origin::default(),
                permit,
            }));
        }
        assert_eq!(reader.await.expect("it ends"), [[1], [2]]);
        assert!(inbox.try_take().is_none());
    }
}
