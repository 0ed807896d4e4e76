//! How much keys may be.

/// Most bytes of a document with keys. Those of large providers have some 20 KiB.
pub const SET_LEN_MAX: usize = 256 * 1024;
/// Most keys of a document. Those of large providers have ten.
pub const KEYS_MAX: usize = 100;
/// Fewest bits of an RSA key (RFC 7518 3.3).
pub const RSA_BITS_MIN: usize = 2048;
/// Most bits of an RSA key. What a signature costs grows with the square of them.
pub const RSA_BITS_MAX: usize = 4096;
