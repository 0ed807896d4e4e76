//! RFC 6455 5.2: what a frame is.

/// The opcodes RFC 6455 defines; 3 to 7 and 11 to 15 are reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// Goes on with a fragmented message.
    Continuation = 0x0,
    /// Begins (and, with FIN, ends) a message of UTF-8 text.
    Text = 0x1,
    /// Begins (and, with FIN, ends) a message of bytes.
    Binary = 0x2,
    /// Begins or answers the closing handshake.
    Close = 0x8,
    /// Asks for a Pong with the same payload.
    Ping = 0x9,
    /// Answers a Ping, or comes unasked as a heartbeat.
    Pong = 0xA,
}

impl Opcode {
    /// The opcode of the low four bits of a frame's first byte, `None` when they are reserved.
    #[must_use]
    pub fn from_bits(bits: u8) -> Option<Self> {
        match bits & 0x0F {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// RFC 6455 5.5: "Control frames are identified by opcodes where the most significant bit of the opcode
    /// is 1."
    #[must_use]
    pub fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_opcode_survives_the_wire_and_the_rest_is_reserved() {
        for bits in 0..=0x0F_u8 {
            match Opcode::from_bits(bits) {
                Some(opcode) => assert_eq!(opcode as u8, bits),
                None => assert!(matches!(bits, 3..=7 | 11..=15)),
            }
        }
    }

    #[test]
    fn control_frames_are_close_ping_and_pong() {
        assert!(Opcode::Close.is_control() && Opcode::Ping.is_control() && Opcode::Pong.is_control());
        assert!(!Opcode::Continuation.is_control() && !Opcode::Text.is_control());
        assert!(!Opcode::Binary.is_control());
    }
}
