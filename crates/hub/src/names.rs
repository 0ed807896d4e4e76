//! Names of users and groups, each in a cell of the next size: an allocator would add as much to a name as it has.

use crate::pool::{NONE, Place, Pool};

/// A name, in as many bytes as there are; the first says how long it is.
#[derive(Debug)]
struct Cell<const N: usize>([u8; N]);

impl<const N: usize> Cell<N> {
    /// There must be room.
    fn new(name: &str) -> Self {
        let mut cell = [0; N];
        cell[0] = u8::try_from(name.len()).unwrap_or(0);
        cell[1..=name.len()].copy_from_slice(name.as_bytes());
        Self(cell)
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        let [len, bytes @ ..] = self.0.as_slice() else { return &[] };
        &bytes[..usize::from(*len)]
    }
}

impl<const N: usize> Place for Cell<N> {
    fn free(next: u32) -> Self {
        let mut cell = [0; N];
        cell[..4].copy_from_slice(&next.to_le_bytes());
        Self(cell)
    }

    fn next_free(&self) -> u32 {
        self.0.first_chunk().map_or(0, |next| u32::from_le_bytes(*next))
    }
}

/// A name that is longer than any cell.
#[derive(Debug)]
enum Long {
    Name(Box<str>),
    Free(u32),
}

impl Place for Long {
    fn free(next: u32) -> Self {
        Self::Free(next)
    }

    fn next_free(&self) -> u32 {
        match self {
            Self::Name(_) => 0,
            Self::Free(next) => *next,
        }
    }
}

/// A kept name: in which pool it is, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name(u32);

impl Name {
    /// That of what has none.
    pub(crate) const NONE: Self = Self(NONE);
}

/// The pools, as the two lowest bits of a [`Name`] say. The longest cell has room for a UUID as it is written.
#[derive(Debug)]
pub(crate) struct Names {
    short: Pool<Cell<16>>,
    middle: Pool<Cell<24>>,
    uuid: Pool<Cell<40>>,
    long: Pool<Long>,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self { short: Pool::new(), middle: Pool::new(), uuid: Pool::new(), long: Pool::new() }
    }

    /// Keeps a name.
    pub(crate) fn keep(&mut self, name: &str) -> Name {
        let (index, pool) = match name.len() {
            ..16 => (self.short.insert(Cell::new(name)), 0),
            16..24 => (self.middle.insert(Cell::new(name)), 1),
            24..40 => (self.uuid.insert(Cell::new(name)), 2),
            _ => (self.long.insert(Long::Name(name.into())), 3),
        };
        debug_assert!(index < 1 << 30);
        Name(index << 2 | pool)
    }

    /// A name that is kept is kept no more.
    pub(crate) fn remove(&mut self, name: Name) {
        let index = name.0 >> 2;
        match name.0 & 3 {
            0 => drop(self.short.remove(index)),
            1 => drop(self.middle.remove(index)),
            2 => drop(self.uuid.remove(index)),
            _ => drop(self.long.remove(index)),
        }
    }

    /// The bytes of a name that is kept: enough to compare it.
    #[inline]
    pub(crate) fn bytes(&self, name: Name) -> &[u8] {
        let index = name.0 >> 2;
        match name.0 & 3 {
            0 => self.short[index].bytes(),
            1 => self.middle[index].bytes(),
            2 => self.uuid[index].bytes(),
            _ => match &self.long[index] {
                Long::Name(name) => name.as_bytes(),
                Long::Free(_) => &[],
            },
        }
    }

    /// A name that is kept.
    pub(crate) fn text(&self, name: Name) -> &str {
        // It was text when it was kept.
        str::from_utf8(self.bytes(name)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_each_length_come_back_and_their_cells_are_used_again() {
        let mut names = Names::new();
        let texts: Vec<String> = (0..60).map(|len| "xyä".chars().cycle().take(len).collect()).collect();
        let kept: Vec<Name> = texts.iter().map(|text| names.keep(text)).collect();
        for (name, text) in kept.iter().zip(&texts) {
            assert_eq!((names.text(*name), names.bytes(*name)), (text.as_str(), text.as_bytes()));
        }
        let places = |names: &Names| {
            (names.short.places(), names.middle.places(), names.uuid.places(), names.long.places())
        };
        let before = places(&names);
        kept.iter().for_each(|name| names.remove(*name));
        let again: Vec<Name> = texts.iter().rev().map(|text| names.keep(text)).collect();
        assert_eq!(places(&names), before);
        for (name, text) in again.iter().zip(texts.iter().rev()) {
            assert_eq!(names.text(*name), text);
        }
    }

    #[test]
    fn a_name_that_fills_its_cell_is_in_it() {
        let mut names = Names::new();
        for (len, pool) in [(0, 0), (15, 0), (16, 1), (23, 1), (24, 2), (36, 2), (39, 2), (40, 3)] {
            assert_eq!(names.keep(&"x".repeat(len)).0 & 3, pool, "{len}");
        }
        assert_eq!((size_of::<Cell<16>>(), size_of::<Long>()), (16, 16));
    }
}
