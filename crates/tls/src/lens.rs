//! Lengths that the standards have fixed, in bytes.

/// The header of a record (RFC 8446 5.1).
pub(crate) const HEADER_LEN: usize = 5;

/// The most content of one record, in bytes (RFC 8446 5.1).
pub const CONTENT_LEN_MAX: usize = 1 << 14;

/// A tag of each AEAD here.
pub(crate) const TAG_LEN: usize = 16;

/// A nonce of each AEAD here.
pub(crate) const IV_LEN: usize = 12;

/// The part of a nonce that records of TLS 1.2 with AES-GCM have before the ciphertext (RFC 5288 3).
pub(crate) const EXPLICIT_LEN: usize = 8;

/// The longest key.
pub(crate) const KEY_LEN_MAX: usize = 32;

/// The longest hash, which is how long a traffic secret is.
pub(crate) const SECRET_LEN_MAX: usize = 48;

/// What a state has beside its secrets. No standard has fixed it.
pub(crate) const MARKS_LEN: usize = 16;
