//! What waits, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::message::Cost;

/// Messages in their order. Closed it takes none, and has none.
#[derive(Debug)]
pub(crate) struct Queue<M> {
    inner: Mutex<Inner<M>>,
    bytes_max: usize,
    filled: Notify,
}

#[derive(Debug)]
struct Inner<M> {
    messages: VecDeque<M>,
    bytes: usize,
    is_open: bool,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    Closed,
    TooLong,
    Full,
}

/// A mutex whose holder panicked has a consistent queue nonetheless: nothing panics between two of its changes.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<M: Cost> Queue<M> {
    pub(crate) fn new(bytes_max: usize, is_open: bool) -> Self {
        let inner = Inner { messages: VecDeque::new(), bytes: 0, is_open };
        Self { inner: Mutex::new(inner), bytes_max, filled: Notify::new() }
    }

    /// Takes a message, unless it is closed or full, or the message too long.
    pub(crate) fn push(&self, message: M, is_long: bool) -> Result<(), NotTaken> {
        let (mut inner, cost) = (lock(&self.inner), message.cost());
        if !inner.is_open {
            return Err(NotTaken::Closed);
        }
        if is_long {
            return Err(NotTaken::TooLong);
        }
        if inner.bytes.saturating_add(cost) > self.bytes_max {
            return Err(NotTaken::Full);
        }
        inner.bytes += cost;
        inner.messages.push_back(message);
        drop(inner);
        self.filled.notify_one();
        Ok(())
    }

    pub(crate) fn pop(&self) -> Option<M> {
        let mut inner = lock(&self.inner);
        let message = inner.messages.pop_front()?;
        inner.bytes -= message.cost();
        if inner.messages.is_empty() {
            // What a burst has made it grow to is given back.
            inner.messages.shrink_to(64);
        }
        Some(message)
    }

    /// Waits until there is a message.
    pub(crate) async fn filled(&self) {
        while lock(&self.inner).messages.is_empty() {
            self.filled.notified().await;
        }
    }

    pub(crate) fn open(&self) {
        lock(&self.inner).is_open = true;
    }

    /// Takes no more, and forgets what waited: how many that were.
    pub(crate) fn close(&self) -> u64 {
        let mut inner = lock(&self.inner);
        (inner.is_open, inner.bytes) = (false, 0);
        let messages = std::mem::take(&mut inner.messages);
        // They are freed when nobody waits for the lock.
        drop(inner);
        messages.len() as u64
    }

    pub(crate) fn bytes(&self) -> usize {
        lock(&self.inner).bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Bytes(usize);

    impl Cost for Bytes {
        fn cost(&self) -> usize {
            self.0
        }
    }

    #[tokio::test]
    async fn it_is_bounded_in_bytes_and_keeps_the_order() {
        let queue = Queue::new(10, true);
        assert_eq!(queue.push(Bytes(6), false), Ok(()));
        assert_eq!(queue.push(Bytes(5), false), Err(NotTaken::Full));
        assert_eq!((queue.push(Bytes(4), false), queue.bytes()), (Ok(()), 10));
        queue.filled().await;
        assert_eq!(queue.pop(), Some(Bytes(6)));
        assert_eq!((queue.pop(), queue.pop(), queue.bytes()), (Some(Bytes(4)), None, 0));
        assert_eq!(queue.push(Bytes(usize::MAX), false), Err(NotTaken::Full));
        assert_eq!(queue.push(Bytes(1), true), Err(NotTaken::TooLong));
    }

    #[test]
    fn closed_it_takes_nothing_and_has_forgotten_what_waited() {
        let queue = Queue::new(10, false);
        assert_eq!(queue.push(Bytes(1), false), Err(NotTaken::Closed));
        queue.open();
        queue.push(Bytes(1), false).unwrap();
        assert_eq!((queue.close(), queue.bytes(), queue.pop()), (1, 0, None));
        assert_eq!(queue.push(Bytes(1), false), Err(NotTaken::Closed));
    }
}
