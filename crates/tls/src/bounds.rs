//! Bounds on what a peer may send without an end.

/// The most bytes that a peer may send until the handshake is over, beyond which it is refused. A chain of client
/// certificates has some kilobytes.
pub const HANDSHAKE_BYTES_MAX: usize = 32 * 1024;

/// The most records in which it may send them.
pub(crate) const GATHERED_RECORDS_MAX: usize = 256;

/// Records without data in a row, beyond which a peer is taken for one that means harm: empty ones, and warnings.
pub const QUIET_MAX: u8 = 32;

/// Records of handshake messages that one call of [`open`](crate::open()) takes. A client that sends a KeyUpdate with
/// every message is clumsy and no more; how often in a second is for the caller to count.
pub const HANDSHAKE_RECORDS_MAX: u32 = 64;

/// The longest ticket that a client skips, in bytes.
pub(crate) const TICKET_LEN_MAX: u32 = 1 << 17;
