//! How a slot comes to its end, in three bits of its flags.

use crate::driver::Close;
use crate::slots::Flags;

const SHIFT: u32 = 7;
const BITS: u16 = 0b111 << SHIFT;

/// What the caller wants to become of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It stays.
    Stays,
    /// It stays; the end of stream is to be said when the last send is over.
    Shutdown,
    /// It leaves. Once `told`, what was in flight has been told to end.
    Leaves { how: Way, told: bool },
}

/// On which way a slot leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Close(Close),
    Release,
}

impl Flags {
    pub(super) fn exit(self) -> Exit {
        let told = |bits: u16| bits & 1 != 0;
        match (self.0 & BITS) >> SHIFT {
            0 => Exit::Stays,
            1 => Exit::Shutdown,
            bits @ (2 | 3) => Exit::Leaves { how: Way::Close(Close::Orderly), told: told(bits) },
            bits @ (4 | 5) => Exit::Leaves { how: Way::Close(Close::Reset), told: told(bits) },
            bits => Exit::Leaves { how: Way::Release, told: told(bits) },
        }
    }

    pub(super) fn set_exit(&mut self, exit: Exit) {
        let bits = match exit {
            Exit::Stays => 0,
            Exit::Shutdown => 1,
            Exit::Leaves { how: Way::Close(Close::Orderly), told } => 2 + u16::from(told),
            Exit::Leaves { how: Way::Close(Close::Reset), told } => 4 + u16::from(told),
            Exit::Leaves { how: Way::Release, told } => 6 + u16::from(told),
        };
        self.0 = self.0 & !BITS | bits << SHIFT;
    }

    /// Whether it leaves: nothing more is asked for it.
    pub(super) fn is_leaving(self) -> bool {
        self.0 & BITS >= 2 << SHIFT
    }

    /// Whether it is being closed: nobody is told of anything but the end.
    pub(super) fn is_closing(self) -> bool {
        self.is_leaving() && !self.is_released()
    }

    /// Whether it is being released.
    pub(super) fn is_released(self) -> bool {
        self.0 & BITS >= 6 << SHIFT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_survives_the_way_through_the_flags_and_leaves_the_others_alone() {
        let ways = [Way::Close(Close::Orderly), Way::Close(Close::Reset), Way::Release];
        let leaves = ways.map(|how| [false, true].map(|told| Exit::Leaves { how, told }));
        for others in [0, !BITS] {
            for exit in leaves.into_iter().flatten().chain([Exit::Stays, Exit::Shutdown]) {
                let mut flags = Flags(others | BITS);
                flags.set_exit(exit);
                assert_eq!((flags.exit(), flags.0 & !BITS), (exit, others));
                assert_eq!(flags.is_leaving(), matches!(exit, Exit::Leaves { .. }));
                assert_eq!(flags.is_released(), matches!(exit, Exit::Leaves { how: Way::Release, .. }));
                assert_eq!(flags.is_closing(), flags.is_leaving() && !flags.is_released());
            }
        }
    }
}
