//! How much was said to a server that has not shown that it has read it.
//!
//! A probe is a request to a subject that nobody has. The server's answer, that nobody has it, comes when it has dealt
//! with all that was said before. So much and no more may be on its way without an answer: what a server that stands
//! still takes in and tells late is bounded by that, and so is what the client library and both sockets hold.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;

use crate::queue::lock;

/// Most bytes on their way without an answer, and one message more.
pub(crate) const WINDOW: u64 = 2 * 1024 * 1024;
/// A probe follows so many bytes.
const PROBE_EACH: u64 = 256 * 1024;
/// Beats without an answer after which a server is left. A beat has a second.
const SILENT_MAX: u32 = 5;

#[derive(Debug, Default)]
pub(crate) struct Window {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// Bytes said, bytes said before the last probe, bytes that the server has read for sure.
    sent: u64,
    probed: u64,
    proved: u64,
    /// Probes without an answer: their number, and what was said before.
    open: VecDeque<(u64, u64)>,
    last: u64,
    answers: u64,
    silent: u32,
}

impl Window {
    /// Waits until more may be said.
    pub(crate) async fn room(&self) {
        self.until(|inner| inner.sent - inner.proved < WINDOW).await;
    }

    /// Waits until all that was said before the last probe was read.
    pub(crate) async fn all_proved(&self) {
        self.until(|inner| inner.open.is_empty()).await;
    }

    /// Waits for the first answer.
    pub(crate) async fn first_answer(&self) {
        self.until(|inner| inner.answers > 0).await;
    }

    async fn until(&self, is_so: impl Fn(&Inner) -> bool) {
        loop {
            let changed = self.changed.notified();
            if is_so(&lock(&self.inner)) {
                return;
            }
            changed.await;
        }
    }

    /// So many bytes were said. Whether a probe is due.
    pub(crate) fn said(&self, bytes: usize) -> bool {
        let mut inner = lock(&self.inner);
        inner.sent += bytes as u64;
        inner.sent - inner.probed >= PROBE_EACH
    }

    /// The number of the next probe, which is said now.
    pub(crate) fn probe(&self) -> u64 {
        let mut inner = lock(&self.inner);
        (inner.last, inner.probed) = (inner.last + 1, inner.sent);
        let probe = (inner.last, inner.sent);
        inner.open.push_back(probe);
        inner.last
    }

    /// The server has answered this probe, and with it those before.
    pub(crate) fn answered(&self, probe: u64) {
        let mut inner = lock(&self.inner);
        if inner.open.front().is_none_or(|(first, _)| probe < *first) || probe > inner.last {
            return;
        }
        while let Some((_, sent)) = inner.open.pop_front_if(|(number, _)| *number <= probe) {
            inner.proved = sent;
        }
        (inner.answers, inner.silent) = (inner.answers + 1, 0);
        drop(inner);
        self.changed.notify_waiters();
    }

    /// A second has passed. Whether the server has been silent for too long.
    pub(crate) fn beat(&self) -> bool {
        let mut inner = lock(&self.inner);
        inner.silent += 1;
        inner.silent > SILENT_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a future is done at once.
    async fn is_done(future: impl Future<Output = ()>) -> bool {
        tokio::select! { biased; () = future => true, () = tokio::task::yield_now() => false }
    }

    #[tokio::test]
    async fn no_more_than_the_window_is_said_without_an_answer() {
        let window = Window::default();
        let (mut messages, mut probes) = (0, vec![]);
        while is_done(window.room()).await {
            messages += 1;
            if window.said(100_000) {
                probes.push(window.probe());
            }
        }
        assert_eq!(messages, WINDOW.div_ceil(100_000));
        assert_eq!(probes, (1..=7).collect::<Vec<_>>());
        window.answered(1);
        assert!(is_done(window.room()).await && !is_done(window.all_proved()).await);
        window.answered(7);
        assert!(is_done(window.all_proved()).await);
    }

    #[tokio::test]
    async fn answers_to_no_probe_count_for_nothing() {
        let window = Window::default();
        window.answered(0);
        window.answered(1);
        assert!(!is_done(window.first_answer()).await);
        assert_eq!(window.probe(), 1);
        window.answered(2);
        window.answered(0);
        assert!(!is_done(window.first_answer()).await);
        window.answered(1);
        assert!(is_done(window.first_answer()).await);
    }

    #[test]
    fn a_server_that_answers_nothing_for_five_beats_is_left() {
        let window = Window::default();
        let probe = window.probe();
        assert!((0..5).all(|_| !window.beat()));
        window.answered(probe);
        assert!((0..5).all(|_| !window.beat()) && window.beat());
    }
}
