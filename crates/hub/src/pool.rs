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

/// The records. Places are used again, and none are given back before the end.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    places: Vec<T>,
    free: u32,
}

impl<T: Place> Pool<T> {
    pub(crate) fn new() -> Self {
        Self { places: Vec::new(), free: NONE }
    }

    /// Keeps a record and says under which number.
    pub(crate) fn insert(&mut self, record: T) -> u32 {
        let Some(place) = self.places.get_mut(self.free as usize) else {
            self.places.push(record);
            return index_of(self.places.len() - 1);
        };
        let index = self.free;
        self.free = place.next_free();
        *place = record;
        index
    }

    /// Frees the place of a record that is in use.
    pub(crate) fn remove(&mut self, index: u32) -> T {
        let free = T::free(self.free);
        self.free = index;
        std::mem::replace(&mut self.places[index as usize], free)
    }
}

impl<T> Index<u32> for Pool<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.places[index as usize]
    }
}

impl<T> IndexMut<u32> for Pool<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.places[index as usize]
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
