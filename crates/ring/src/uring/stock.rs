//! A stock of buffers from which the kernel takes one for each receive of a busy connection (io_uring_register(2),
//! IORING_REGISTER_PBUF_RING, 5.19).

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::queue::Queue;
use crate::Lent;
use crate::pool::Pool;

/// The one group of buffers of a ring.
pub(super) const GROUP: u16 = 0;

/// The ring of buffers that the kernel may take, and the buffers in it.
#[derive(Debug)]
pub(super) struct Stock {
    entries: NonNull<BufRingEntry>,
    /// A power of two.
    capacity: u16,
    tail: u16,
    buffers: Box<[Option<Lent>]>,
    count: usize,
}

impl Stock {
    /// A stock of at most `capacity` buffers, a power of two, of a pool of `pool_count`; empty.
    ///
    /// # Errors
    /// Of mmap(2) and io_uring_register(2).
    pub(super) fn new(queue: &Queue, capacity: u16, pool_count: u16) -> rustix::io::Result<Self> {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a null hint lets the kernel choose the address, so no mapping of ours is replaced.
        let memory = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes_of(capacity), prot, flags) }?;
        let entries = NonNull::new(memory.cast::<BufRingEntry>()).ok_or(Errno::NOMEM)?;
        let buffers = (0..pool_count).map(|_| None).collect();
        let stock = Self { entries, capacity, tail: 0, buffers, count: 0 };
        // SAFETY: the ring holds the pages of the mapping itself, whatever becomes of the mapping; buffers are put in
        // by `fill`.
        let registered =
            unsafe { queue.submitter().register_buf_ring_with_flags(memory as u64, capacity, GROUP, 0) };
        registered.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::INVAL))?;
        Ok(stock)
    }

    /// How many buffers lie in it.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Most buffers that can lie in it.
    pub(super) fn capacity(&self) -> usize {
        self.capacity.into()
    }

    /// Puts in buffers of the pool until it is full or the pool is empty.
    pub(super) fn fill(&mut self, pool: &Pool) {
        if self.count >= self.capacity() {
            return;
        }
        while self.count < self.capacity() {
            let Some(buffer) = pool.lend() else { break };
            self.put(buffer);
        }
        // SAFETY: the mapping begins with an entry and lives as long as `self`.
        let tail = unsafe { BufRingEntry::tail(self.entries.as_ptr()) };
        // SAFETY: as above; the place is aligned, and whoever else looks at it, the kernel, only reads it.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    fn put(&mut self, mut buffer: Lent) {
        let place = usize::from(self.tail & (self.capacity - 1));
        // SAFETY: `place` is below the capacity, so the entry lies in the mapping.
        let mut entry = unsafe { self.entries.add(place) };
        // SAFETY: the mapping was zeroed at first, and the kernel does not look at the entry until the tail has passed
        // it.
        let entry = unsafe { entry.as_mut() };
        entry.set_addr(buffer.as_mut_ptr() as u64);
        entry.set_len(u32::try_from(buffer.len()).unwrap_or(u32::MAX));
        entry.set_bid(buffer.index());
        let index = usize::from(buffer.index());
        self.buffers[index] = Some(buffer);
        self.tail = self.tail.wrapping_add(1);
        self.count += 1;
    }

    /// Takes out the buffer that the kernel has used.
    pub(super) fn take(&mut self, index: u16) -> Option<Lent> {
        let taken = self.buffers[usize::from(index)].take();
        self.count -= usize::from(taken.is_some());
        taken
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length, and nothing of it is borrowed. The ring keeps its own
        // hold on the pages.
        let unmapped = unsafe { munmap(self.entries.as_ptr().cast(), bytes_of(self.capacity)) };
        debug_assert!(unmapped.is_ok());
    }
}

fn bytes_of(capacity: u16) -> usize {
    usize::from(capacity) * size_of::<BufRingEntry>()
}
