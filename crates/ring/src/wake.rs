//! Waking a shard from another thread.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Makes a driver's present or next wait end with [`Event::Woken`](crate::Event::Woken). Cheap to clone, for any
/// thread.
///
/// Many wakes before the driver looks are one wake, and only the first of them is a system call.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    eventfd: OwnedFd,
    pending: AtomicBool,
}

impl Waker {
    pub(crate) fn new() -> rustix::io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Inner { eventfd, pending: AtomicBool::new(false) })))
    }

    /// One of no driver.
    ///
    /// # Errors
    /// When there is no descriptor for it.
    #[cfg(feature = "simulated")]
    pub fn of_nobody() -> rustix::io::Result<Self> {
        Self::new()
    }

    /// Whether it has been woken, and its driver has not looked yet.
    #[cfg(feature = "simulated")]
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.0.pending.load(Ordering::Acquire)
    }

    /// Wakes the driver. What was put into a mailbox before is seen by the shard when it handles the event.
    pub fn wake(&self) {
        if !self.0.pending.swap(true, Ordering::AcqRel) {
            // EAGAIN only when the counter is full, and then it is readable anyway.
            let _ = rustix::io::write(&self.0.eventfd, &1u64.to_ne_bytes());
        }
    }

    /// Whether both wake the same driver.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Forgets the wakes so far; what comes after wakes again. To be called before the mailbox is looked at. Whether
    /// there were any.
    pub(crate) fn acknowledge(&self) -> bool {
        let _ = rustix::io::read(&self.0.eventfd, &mut [0u8; 8]);
        // A read-modify-write, not a store: it sees what was done before every wake that found this pending and so
        // wrote nothing, and the look at the mailbox that follows cannot be moved before it.
        self.0.pending.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.eventfd.as_fd()
    }
}
