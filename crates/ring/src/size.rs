//! Which slots are read into long buffers: those that have lately brought as much as a short one holds.

use crate::slots::Flags;

/// The next read should be into a long buffer.
const LONG: Flags = Flags(1 << 14);

/// Of so many reads that a short buffer would have held, one leads its slot back to short ones. Not each of them, since
/// what is left of a message that was cut comes in a read of its own; and counted for all slots together, since a count
/// for each does not fit into its record.
const PATIENCE: u8 = 4;

impl Flags {
    pub(crate) fn wants_long(self) -> bool {
        self.has(LONG)
    }

    pub(crate) fn want_long(&mut self) {
        self.set(LONG);
    }

    /// Starts anew, with short buffers.
    pub(crate) fn forget_size(&mut self) {
        self.clear(LONG);
    }
}

/// What a driver knows of the sizes of reads.
#[derive(Debug)]
pub(crate) struct Sizes {
    short_bytes: usize,
    /// Reads into long buffers that a short one would have held, since the last that led back.
    small: u8,
}

impl Sizes {
    pub(crate) fn new(short_bytes: usize) -> Self {
        Self { short_bytes, small: 0 }
    }

    /// Learns from a read of `len` bytes of the slot with these flags.
    pub(crate) fn learn(&mut self, flags: &mut Flags, len: usize) {
        if len >= self.short_bytes {
            flags.want_long();
        } else if flags.wants_long() {
            self.small += 1;
            if self.small == PATIENCE {
                self.small = 0;
                flags.forget_size();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::OWNED;

    fn after(reads: &[usize]) -> bool {
        let mut flags = Flags(0x3fff) | OWNED;
        let mut sizes = Sizes::new(100);
        for len in reads {
            sizes.learn(&mut flags, *len);
            assert_eq!(flags.0 & 0xbfff, 0xbfff, "no other bit changes");
        }
        flags.wants_long()
    }

    #[test]
    fn a_short_buffer_that_was_filled_calls_for_long_ones() {
        assert!(!after(&[]) && !after(&[1, 99]));
        assert!(after(&[100]) && after(&[1, 1000]));
    }

    #[test]
    fn the_rest_of_a_message_that_was_cut_does_not_lead_back_to_short_buffers() {
        assert!(after(&[100, 8, 108, 108, 108, 108, 108]));
    }

    #[test]
    fn some_short_reads_lead_back_to_short_buffers() {
        assert!(after(&[100, 8, 8, 8]) && !after(&[100, 99, 99, 99, 99]));
        assert!(after(&[100, 8, 8, 8, 8, 100]));
    }

    #[test]
    fn reads_of_one_in_a_crowd_lead_back_itself_alone() {
        let mut sizes = Sizes::new(100);
        let (mut long, mut small) = (Flags(0) | OWNED, Flags(0) | OWNED);
        sizes.learn(&mut small, 100);
        for _ in 0..100 {
            sizes.learn(&mut long, 100);
            sizes.learn(&mut small, 1);
            assert!(long.wants_long());
        }
        assert!(!small.wants_long());
    }
}
