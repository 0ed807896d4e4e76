//! The states of a shard's connections, by their keys: one piece of memory, made at start.

use std::fmt;

use zeroize::Zeroize;

use crate::lens::MARKS_LEN;
use crate::state::{Session, State};
use crate::suite::Width;

/// A place for each connection that a shard may have. What was never used has no memory behind it, since the kernel
/// gives pages when they are written first. It never grows: a copy of a secret would stay where the table was.
pub struct Table {
    bytes: Vec<u8>,
    width: Width,
}

impl fmt::Debug for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Table").field("width", &self.width).finish_non_exhaustive()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let places = self.bytes.len() / self.width.state_len();
        (0..places).for_each(|key| self.wipe(key));
    }
}

impl Table {
    /// For so many places.
    pub fn new(width: Width, places: usize) -> Self {
        Self { bytes: vec![0; places.saturating_mul(width.state_len())], width }
    }

    /// The memory of all states: whoever has it kept out of core dumps needs to know where it is.
    pub fn memory(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes a state in, where there may have been another. False if there is no such place, or the state is wider
    /// than the table: a configuration with such a suite needs a wide one.
    #[must_use]
    pub fn put(&mut self, key: usize, state: &State) -> bool {
        self.place(key).is_some_and(|place| Session::put(state, place))
    }

    /// To open and seal with. None if nobody is there.
    pub fn session(&mut self, key: usize) -> Option<Session<'_>> {
        Session::of(self.place(key)?)
    }

    /// Takes a state out and wipes its place. None if nobody was there.
    pub fn take(&mut self, key: usize) -> Option<State> {
        let state = self.session(key)?.copied();
        self.wipe(key);
        state
    }

    /// Wipes a place. What was never used is not touched.
    pub fn wipe(&mut self, key: usize) {
        if let Some(place) = self.place(key)
            && place[place.len() - MARKS_LEN..].iter().any(|byte| *byte != 0)
        {
            place.zeroize();
        }
    }

    fn place(&mut self, key: usize) -> Option<&mut [u8]> {
        let len = self.width.state_len();
        let start = key.checked_mul(len)?;
        self.bytes.get_mut(start..start.checked_add(len)?)
    }
}
