//! The end of a wait: a timerfd that stays set from one wait to the next.
//!
//! A timeout of epoll_wait(2) itself sets and takes back a timer of the kernel each time, which is worth 0.5 us for a
//! message that comes alone. A timer that is set already and fires in time only ends a later wait early.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// A timer, to be watched edge-triggered: it is never read.
#[derive(Debug)]
pub(super) struct Timer {
    descriptor: OwnedFd,
    /// When it fires, if it is set.
    until: Option<Instant>,
}

impl Timer {
    /// One that is not set.
    ///
    /// # Errors
    /// Of timerfd_create(2).
    pub(super) fn new() -> rustix::io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self { descriptor: timerfd_create(TimerfdClockId::Monotonic, flags)?, until: None })
    }

    /// Sees to it that it fires when `timeout`, more than nothing, has passed, or before. Whether that took a system
    /// call.
    ///
    /// # Errors
    /// Of timerfd_settime(2).
    pub(super) fn fire_within(&mut self, timeout: Duration) -> rustix::io::Result<bool> {
        let until = Instant::now() + timeout;
        if self.until.is_some_and(|set| set <= until) {
            return Ok(false);
        }
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = Timespec::try_from(timeout).map_err(|_| Errno::INVAL)?;
        let once = Itimerspec { it_interval: never, it_value: timeout };
        timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &once)?;
        self.until = Some(until);
        Ok(true)
    }

    /// It has fired.
    pub(super) fn fired(&mut self) {
        self.until = None;
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
