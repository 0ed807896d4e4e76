//! Alerts: what one end says before it hangs up (RFC 8446 6).

/// What an alert says. Its number is the one on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Alert {
    /// Nothing more will be sent.
    CloseNotify = 0,
    /// Something came that does not belong here.
    UnexpectedMessage = 10,
    /// A record was not sealed with the right key, or was changed on the way.
    BadRecordMac = 20,
    /// A record is longer than records may be.
    RecordOverflow = 22,
    /// The handshake cannot come to terms.
    HandshakeFailure = 40,
    /// A field has a value that it must not have.
    IllegalParameter = 47,
    /// A message cannot be read.
    DecodeError = 50,
    /// The version is not spoken here.
    ProtocolVersion = 70,
    /// This end cannot go on, and the peer is not to blame.
    InternalError = 80,
    /// A new handshake on this connection is refused.
    NoRenegotiation = 100,
    /// There is no certificate for the name that the client asks for.
    UnrecognizedName = 112,
}

impl Alert {
    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Level and description, as they are sent.
    pub(crate) const fn content(self) -> [u8; 2] {
        // RFC 5246 7.2.2: a refusal to renegotiate is always a warning. So is the end of what one sends.
        match self {
            Self::CloseNotify | Self::NoRenegotiation => [WARNING, self.number()],
            _ => [FATAL, self.number()],
        }
    }

    /// The alert as a record of its own that is not sealed: before a handshake there are no keys. It goes to a peer
    /// that is refused without a handshake, because all places are taken or because a drain is under way.
    pub const fn plain(self) -> [u8; 7] {
        let [level, number] = self.content();
        [21, 3, 3, 0, 2, level, number]
    }
}

pub(crate) const WARNING: u8 = 1;
pub(crate) const FATAL: u8 = 2;

/// The number of the alert by which a client that has failed says that its user has given up: the end comes after it.
pub(crate) const USER_CANCELED: u8 = 90;

#[cfg(test)]
mod tests {
    use super::Alert;

    #[test]
    fn a_refusal_without_a_handshake_is_seven_bytes() {
        assert_eq!(Alert::InternalError.plain(), [0x15, 3, 3, 0, 2, 2, 80]);
        assert_eq!(Alert::CloseNotify.plain(), [0x15, 3, 3, 0, 2, 1, 0]);
    }
}
