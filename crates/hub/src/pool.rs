//! Records that are found by a small number, without a byte of overhead: a free place keeps the number of the next one
//! in itself.

use std::ops::{Index, IndexMut};

/// No record.
pub(crate) const NONE: u32 = u32::MAX;

/// A record that can say of its place that it is free.
pub(crate) trait Place {
    /// A free place, before another one that is free.
    fn free(next: u32) -> Self;
    /// What was given to [`Place::free`]. Of a record that is in use it means nothing.
    fn next_free(&self) -> u32;
}

/// How many records lie together. One list of all would be copied as it grows, and leave holes among what is kept in
/// between: 60 bytes for each user of 10,000.
const CHUNK: usize = 1024;

/// The records. Places are used again, and none are given back before the end.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    /// All but the last are full.
    chunks: Vec<Vec<T>>,
    free: u32,
}

impl<T: Place> Pool<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), free: NONE }
    }

    /// Keeps a record and says under which number.
    pub(crate) fn insert(&mut self, record: T) -> u32 {
        if self.free == NONE {
            return self.push(record);
        }
        let index = self.free;
        let place = &mut self[index];
        let next = place.next_free();
        *place = record;
        self.free = next;
        index
    }

    /// Keeps a record where none has been.
    fn push(&mut self, record: T) -> u32 {
        if self.chunks.last().is_none_or(|last| last.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let full = self.chunks.len() - 1;
        let last = &mut self.chunks[full];
        last.push(record);
        index_of(full * CHUNK + last.len() - 1)
    }

    /// How many places there are, free ones included.
    pub(crate) fn places(&self) -> u32 {
        let full = self.chunks.len().saturating_sub(1);
        index_of(full * CHUNK + self.chunks.last().map_or(0, Vec::len))
    }

    /// Frees the place of a record that is in use.
    pub(crate) fn remove(&mut self, index: u32) -> T {
        let free = T::free(self.free);
        self.free = index;
        std::mem::replace(&mut self[index], free)
    }
}

impl<T> Index<u32> for Pool<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }
}

impl<T> IndexMut<u32> for Pool<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }
}

/// An index as it is kept. Nothing here has 2³² of anything: memory ends before.
#[inline]
pub(crate) fn index_of(index: usize) -> u32 {
    debug_assert!(u32::try_from(index).is_ok_and(|index| index < NONE));
    #[expect(clippy::cast_possible_truncation, reason = "no list here has so many entries")]
    {
        index as u32
    }
}
