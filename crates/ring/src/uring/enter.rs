//! The two system calls of a running ring, by hand: `io_uring_enter` with a registered ring descriptor, and what
//! registers it.
//!
//! The `io-uring` crate keeps the registered descriptor in a value that borrows the ring, which a driver cannot store
//! beside it.

use std::os::fd::{AsRawFd, RawFd};

use io_uring::IoUring;
use rustix::io::Errno;

const IORING_ENTER_GETEVENTS: libc::c_uint = 1 << 0;
const IORING_ENTER_REGISTERED_RING: libc::c_uint = 1 << 4;
const IORING_REGISTER_RING_FDS: libc::c_uint = 20;
const IORING_UNREGISTER_RING_FDS: libc::c_uint = 21;

/// `struct io_uring_rsrc_update` of linux/io_uring.h.
#[repr(C)]
struct RsrcUpdate {
    offset: u32,
    resv: u32,
    data: u64,
}

/// How to enter a ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entrance {
    descriptor: RawFd,
    flags: libc::c_uint,
}

impl Entrance {
    /// By the ring's normal descriptor.
    pub(crate) fn normal(ring: &IoUring) -> Self {
        Self { descriptor: ring.as_raw_fd(), flags: 0 }
    }

    /// By a descriptor registered with the calling thread, which spares a look-up per call (5.18).
    ///
    /// # Errors
    /// EINVAL where the kernel does not know it.
    pub(crate) fn registered(ring: &IoUring) -> rustix::io::Result<Self> {
        let ring = ring.as_raw_fd();
        let data = u64::try_from(ring).map_err(|_| Errno::BADF)?;
        let mut update = RsrcUpdate { offset: u32::MAX, resv: 0, data };
        // SAFETY: the kernel reads and writes one `io_uring_rsrc_update`, which lives on this stack for the call.
        let count = unsafe {
            libc::syscall(libc::SYS_io_uring_register, ring, IORING_REGISTER_RING_FDS, &raw mut update, 1)
        };
        if count != 1 {
            return Err(last_error());
        }
        let descriptor = RawFd::try_from(update.offset).map_err(|_| Errno::BADF)?;
        Ok(Self { descriptor, flags: IORING_ENTER_REGISTERED_RING })
    }

    /// Undoes [`registered`](Self::registered). The thread's table keeps the ring, and all that is in it, alive
    /// otherwise.
    pub(crate) fn unregister(self, ring: &IoUring) {
        let Ok(offset) = u32::try_from(self.descriptor) else { return };
        if self.flags & IORING_ENTER_REGISTERED_RING == 0 {
            return;
        }
        let mut update = RsrcUpdate { offset, resv: 0, data: 0 };
        // SAFETY: the kernel reads one `io_uring_rsrc_update`, which lives on this stack for the call.
        let count = unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                ring.as_raw_fd(),
                IORING_UNREGISTER_RING_FDS,
                &raw mut update,
                1,
            )
        };
        debug_assert_eq!(count, 1);
    }

    /// Submits `submit` entries of the submission queue, and completes what the kernel has put off for this thread.
    /// Returns how many entries it took.
    ///
    /// # Errors
    /// Of io_uring_enter(2): EAGAIN, EBUSY and EINTR are to be tried again once the completion queue has been emptied.
    pub(crate) fn submit(self, submit: u32) -> rustix::io::Result<usize> {
        self.enter(submit, 0)
    }

    /// As [`submit`](Self::submit), and waits for at least one completion.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub(crate) fn submit_and_wait(self, submit: u32) -> rustix::io::Result<usize> {
        self.enter(submit, 1)
    }

    fn enter(self, submit: u32, wait: u32) -> rustix::io::Result<usize> {
        let flags = IORING_ENTER_GETEVENTS | self.flags;
        let no_mask = std::ptr::null::<libc::c_void>();
        // SAFETY: there is no argument that the kernel would look at. What the entries of the submission queue point to
        // is upheld by whoever pushed them.
        let taken = unsafe {
            libc::syscall(libc::SYS_io_uring_enter, self.descriptor, submit, wait, flags, no_mask, 0)
        };
        usize::try_from(taken).map_err(|_| last_error())
    }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}
