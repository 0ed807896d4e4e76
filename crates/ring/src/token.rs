//! Names for what an operation belongs to.

/// Names one owner of a slot: the slot, and which of its owners is meant.
///
/// The generation changes whenever a slot gets a new owner, so that a late completion or a late message for the old
/// owner never reaches the new one. It has 24 bits: it travels, with the slot, in the 64 bits of an operation's
/// `user_data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// 0-based index into the driver's table of slots.
    pub slot: u32,
    /// Which owner of the slot, 0 to [`Token::GENERATION_MAX`].
    pub generation: u32,
}

impl std::fmt::Display for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.slot, self.generation)
    }
}

impl Token {
    /// The largest generation; the next one is 0.
    pub const GENERATION_MAX: u32 = 0x00ff_ffff;

    /// The generation of an owner whom others know by a longer number.
    #[must_use]
    pub fn short(number: u32) -> u32 {
        number & Self::GENERATION_MAX
    }

    /// The token in 56 bits; the upper 8 are zero.
    pub(crate) fn to_bits(self) -> u64 {
        debug_assert!(self.generation <= Self::GENERATION_MAX);
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// The token in the lower 56 bits.
    #[allow(clippy::cast_possible_truncation, reason = "takes the fields apart")]
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { slot: bits as u32, generation: (bits >> 32) as u32 & Self::GENERATION_MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_way_through_user_data() {
        for slot in [0, 1, 19_999, u32::MAX] {
            for generation in [0, 1, Token::GENERATION_MAX] {
                let token = Token { slot, generation };
                assert_eq!(Token::from_bits(token.to_bits()), token);
                assert_eq!(Token::from_bits(token.to_bits() | 0xab << 56), token);
            }
        }
    }

    #[test]
    fn a_generation_has_24_bits_of_a_longer_number() {
        assert_eq!(Token::short(Token::GENERATION_MAX), Token::GENERATION_MAX);
        assert_eq!(Token::short(Token::GENERATION_MAX + 2), 1);
    }
}
