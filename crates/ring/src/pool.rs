//! The buffer pools of a shard, and the buffers they lend.
//!
//! A connection never owns a buffer. It is lent one when there is something to read and the buffer goes back as soon as
//! the bytes are handled or sent. The free list is last in, first out, so that the buffers in use stay in the cache.
//!
//! There are two sizes: many short buffers, for all; and a few long ones, for connections whose messages do not fit
//! into a short one (`size.rs` says which). There are few of them since what is read before the first of it is handled
//! should stay in the cache.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;
use std::rc::Rc;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use crate::{Config, Stats};

/// The buffers of a driver. Those of the long pool have the indexes behind those of the short one.
#[derive(Debug)]
pub(crate) struct Pools {
    pub(crate) short: Pool,
    pub(crate) long: Pool,
}

impl Pools {
    /// The short buffers are there at once; memory for a long one only once it has been used.
    ///
    /// # Errors
    /// ENOMEM when a mapping is refused.
    pub(crate) fn new(config: &Config) -> rustix::io::Result<Self> {
        let short = Pool::new(config.buffer_count, config.buffer_bytes)?;
        let count = config.long_buffer_count.min(u16::MAX - config.buffer_count);
        let long = Pool::map(config.buffer_count, count, config.long_buffer_bytes, MapFlags::empty())?;
        Ok(Self { short, long })
    }

    /// Whether the buffer is one of these.
    pub(crate) fn own(&self, lent: &Lent) -> bool {
        self.short.owns(lent) || self.long.owns(lent)
    }

    /// What is told of them.
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            buffers: self.short.count(),
            buffer_bytes: self.short.bytes(),
            buffers_lent: self.short.lent(),
            long_buffers: self.long.count(),
            long_buffer_bytes: self.long.bytes_used(),
            long_buffers_lent: self.long.lent(),
            ..Stats::default()
        }
    }

    /// How many buffers there are, and so the index behind the last.
    pub(crate) fn count(&self) -> usize {
        self.short.count() + self.long.count()
    }

    /// Keeps the memory mapped for ever. For a driver that ends while the kernel may still write into a buffer.
    pub(crate) fn abandon(&self) {
        std::mem::forget((Rc::clone(&self.short.0), Rc::clone(&self.long.0)));
    }
}

/// A fixed number of buffers of one size, in one piece of memory.
#[derive(Debug)]
pub(crate) struct Pool(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    memory: NonNull<u8>,
    buffer_bytes: usize,
    count: u16,
    /// Index of the first buffer among all of the driver.
    first: u16,
    /// Counted from the first of this pool.
    free: RefCell<Vec<u16>>,
    /// How many have been lent at least once.
    used: Cell<u16>,
}

impl Pool {
    /// Maps `count` buffers of `buffer_bytes` each and touches their pages, so that what a shard costs is paid at
    /// start.
    ///
    /// # Errors
    /// ENOMEM when the mapping is refused.
    pub(crate) fn new(count: u16, buffer_bytes: usize) -> rustix::io::Result<Self> {
        Self::map(0, count, buffer_bytes, MapFlags::POPULATE)
    }

    fn map(first: u16, count: u16, buffer_bytes: usize, flags: MapFlags) -> rustix::io::Result<Self> {
        assert!(count > 0 && buffer_bytes > 0, "a pool holds at least one byte");
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | flags);
        // SAFETY: a null hint lets the kernel choose the address, so no mapping of ours is replaced.
        let memory =
            unsafe { mmap_anonymous(std::ptr::null_mut(), usize::from(count) * buffer_bytes, prot, flags) }?;
        let memory = NonNull::new(memory.cast::<u8>()).ok_or(rustix::io::Errno::NOMEM)?;
        let free = RefCell::new((0..count).rev().collect());
        Ok(Self(Rc::new(Inner { memory, buffer_bytes, count, first, free, used: Cell::new(0) })))
    }

    /// Lends the buffer that came back last, whole, or nothing when all are lent.
    pub(crate) fn lend(&self) -> Option<Lent> {
        let index = self.0.free.borrow_mut().pop()?;
        // Last in, first out: one that nobody has had yet is lent only when all before it are.
        self.0.used.set(self.0.used.get().max(index + 1));
        Some(Lent { pool: Rc::clone(&self.0), index, start: 0, end: self.0.buffer_bytes })
    }

    /// Whether the buffer is one of this pool.
    pub(crate) fn owns(&self, lent: &Lent) -> bool {
        Rc::ptr_eq(&self.0, &lent.pool)
    }

    /// Whether a buffer can be lent.
    pub(crate) fn has_free(&self) -> bool {
        !self.0.free.borrow().is_empty()
    }

    /// How many buffers there are.
    pub(crate) fn count(&self) -> usize {
        usize::from(self.0.count)
    }

    /// How many buffers are lent now.
    pub(crate) fn lent(&self) -> usize {
        self.count() - self.0.free.borrow().len()
    }

    /// Bytes of the buffers that have been lent at least once: no others have memory where it is mapped when it is
    /// needed.
    pub(crate) fn bytes_used(&self) -> usize {
        usize::from(self.0.used.get()) * self.0.buffer_bytes
    }

    /// Bytes of the whole pool.
    pub(crate) fn bytes(&self) -> usize {
        self.count() * self.0.buffer_bytes
    }

    /// Where the pool lies, for registration.
    pub(crate) fn as_iovec(&self) -> libc::iovec {
        libc::iovec { iov_base: self.0.memory.as_ptr().cast(), iov_len: self.bytes() }
    }

    /// Writes over the buffers that nobody has, so that whoever still looks at one of them notices.
    ///
    /// # Panics
    /// When a buffer has come back twice.
    #[cfg(feature = "simulated")]
    pub(crate) fn scribble(&self) {
        let mut free: Vec<Lent> = std::iter::from_fn(|| self.lend()).collect();
        let mut seen = vec![false; self.count()];
        for lent in &mut free {
            let twice = std::mem::replace(&mut seen[usize::from(lent.index)], true);
            assert!(!twice, "buffer {} has come back twice", lent.index);
            lent.fill(0xee);
        }
        // In the order in which they came back.
        free.into_iter().rev().for_each(drop);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let len = usize::from(self.count) * self.buffer_bytes;
        // SAFETY: the mapping was made by `Pool::new` with this length, and every buffer holds an `Rc` to it, so that
        // none is left when this runs.
        let unmapped = unsafe { munmap(self.memory.as_ptr().cast(), len) };
        debug_assert!(unmapped.is_ok());
    }
}

/// A buffer on loan: the bytes of one read, or of one send. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "dropping a lent buffer gives it back"]
pub struct Lent {
    pool: Rc<Inner>,
    /// Within its pool.
    index: u16,
    start: usize,
    end: usize,
}

impl Lent {
    /// Narrows or moves the bytes that the buffer stands for to `range`, counted from the start of the buffer itself.
    ///
    /// # Panics
    /// When the range is not within the buffer: a bug of the caller.
    pub fn set_range(&mut self, range: Range<usize>) {
        assert!(range.start <= range.end && range.end <= self.pool.buffer_bytes, "range within the buffer");
        (self.start, self.end) = (range.start, range.end);
    }

    /// Drops the first `len` bytes, which have been sent.
    ///
    /// # Panics
    /// When there are fewer: a bug of the caller.
    pub fn advance(&mut self, len: usize) {
        self.set_range(self.start + len..self.end);
    }

    /// Bytes of the whole buffer, whatever range it stands for now.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.pool.buffer_bytes
    }

    /// 0-based index of the buffer among all of its driver.
    pub(crate) fn index(&self) -> u16 {
        self.pool.first + self.index
    }

    fn first(&self) -> NonNull<u8> {
        let offset = usize::from(self.index) * self.pool.buffer_bytes + self.start;
        // SAFETY: index < count and start <= buffer_bytes, so the offset is within the mapping (or one past its end,
        // when the range is empty).
        unsafe { self.pool.memory.add(offset) }
    }
}

impl Deref for Lent {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the range lies within the mapping, which is initialised (zeroed by mmap) and lives as long as `pool`.
        // An index is in at most one `Lent`, so no one else writes it; the kernel does only while the driver holds the
        // `Lent` in its operation table.
        unsafe { std::slice::from_raw_parts(self.first().as_ptr(), self.end - self.start) }
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` is the only access to this index.
        unsafe { std::slice::from_raw_parts_mut(self.first().as_ptr(), self.end - self.start) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.free.borrow_mut().push(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_that_came_back_last_is_lent_first() {
        let pool = Pool::new(3, 16).unwrap();
        let (first, second) = (pool.lend().unwrap(), pool.lend().unwrap());
        let indexes = (first.index(), second.index());
        drop(first);
        drop(second);
        assert_eq!(pool.lend().unwrap().index(), indexes.1);
    }

    #[test]
    fn an_empty_pool_lends_nothing_until_a_buffer_comes_back() {
        let pool = Pool::new(2, 16).unwrap();
        let (first, second) = (pool.lend().unwrap(), pool.lend().unwrap());
        assert_eq!(pool.lent(), 2);
        assert!(pool.lend().is_none());
        drop(second);
        assert_eq!(pool.lend().map(|lent| lent.len()), Some(16));
        drop(first);
        assert_eq!(pool.lent(), 0);
    }

    #[cfg(feature = "simulated")]
    #[test]
    #[should_panic(expected = "has come back twice")]
    fn a_buffer_that_is_lent_twice_is_noticed() {
        let pool = Pool::new(3, 16).unwrap();
        let lent = pool.lend().unwrap();
        pool.0.free.borrow_mut().push(lent.index);
        drop(lent);
        pool.scribble();
    }

    #[test]
    fn neighbours_do_not_overlap() {
        let pool = Pool::new(2, 8).unwrap();
        let (mut first, mut second) = (pool.lend().unwrap(), pool.lend().unwrap());
        first.fill(1);
        second.fill(2);
        assert!(first.iter().all(|byte| *byte == 1) && second.iter().all(|byte| *byte == 2));
        first.set_range(2..6);
        first.advance(3);
        assert_eq!(first.len(), 1);
    }

    #[test]
    fn a_lent_buffer_outlives_the_pool_that_lent_it() {
        let pool = Pool::new(1, 8).unwrap();
        let mut lent = pool.lend().unwrap();
        drop(pool);
        lent.fill(7);
        assert_eq!(&lent[..], [7; 8]);
    }
}
