//! Access keys.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Fewest bytes of an access key: as many as the hash has (RFC 7518 3.2).
pub const KEY_LEN_MIN: usize = 32;

/// A secret that the gateway shares with services. Its bytes are those of its text: base64 in it is not decoded.
/// The text itself is not kept.
#[derive(Clone)]
pub struct AccessKey {
    keyed: Hmac<Sha256>,
}

/// The key has fewer than [`KEY_LEN_MIN`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError {
    /// How many it has.
    pub len: usize,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an access key has at least {KEY_LEN_MIN} bytes, this one has {}", self.len)
    }
}

impl std::error::Error for KeyError {}

impl AccessKey {
    /// A key of this text. A line end behind it is not part of it: files have one.
    ///
    /// # Errors
    /// When it is too short.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        Self::of_bytes(text.strip_suffix('\r').unwrap_or(text).as_bytes())
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let too_short = KeyError { len: bytes.len() };
        if bytes.len() < KEY_LEN_MIN {
            return Err(too_short);
        }
        // Keys of any length are taken, so this never fails.
        let keyed = Hmac::new_from_slice(bytes).map_err(|_| too_short)?;
        Ok(Self { keyed })
    }

    /// What stands for a user in logs that are not to name him: 16 hex digits, the same for the same user and key, from
    /// which nobody without the key can tell the user.
    #[must_use]
    pub fn pseudonym(&self, user: &str) -> String {
        let mac = self.keyed.clone().chain_update(b"pseudonym\0").chain_update(user).finalize().into_bytes();
        mac.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Another key that follows from this one, and from which this one does not.
    pub(super) fn derive(&self, label: &[u8]) -> Self {
        Self::of_random(&self.sign(label))
    }

    /// A key of bytes that nobody can guess.
    #[must_use]
    pub fn of_random(bytes: &[u8; KEY_LEN_MIN]) -> Self {
        let mut block = [0; 64];
        // RFC 2104 2: a key that is shorter than a block of the hash, 64 bytes, has zeros appended.
        block[..KEY_LEN_MIN].copy_from_slice(bytes);
        Self { keyed: Hmac::new(&block.into()) }
    }

    /// HMAC-SHA256 of these bytes.
    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 32] {
        self.keyed.clone().chain_update(bytes).finalize().into_bytes().into()
    }

    /// Whether this is the signature of these bytes, in a time that says nothing of how much of it is right.
    pub(crate) fn is_signature(&self, bytes: &[u8], signature: &[u8]) -> bool {
        self.keyed.clone().chain_update(bytes).verify_slice(signature).is_ok()
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(***)")
    }
}

/// The keys that are good: one, or two while one takes the place of the other. What the gateway signs itself, it signs
/// with the primary one.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The one to sign with.
    pub primary: AccessKey,
    /// Another one that is good as well.
    pub secondary: Option<AccessKey>,
}

impl Keys {
    /// The primary key, and the secondary if there is one.
    pub fn iter(&self) -> impl Iterator<Item = &AccessKey> {
        std::iter::once(&self.primary).chain(&self.secondary)
    }

    /// Whether one of them made this signature. Both are tried always.
    pub(crate) fn is_signature(&self, bytes: &[u8], signature: &[u8]) -> bool {
        self.iter().fold(false, |found, key| found | key.is_signature(bytes, signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_at_least_32_bytes_and_no_line_end() {
        let key = AccessKey::new(&"k".repeat(32)).unwrap();
        for end in ["\n", "\r\n"] {
            let same = AccessKey::new(&format!("{}{end}", "k".repeat(32))).unwrap();
            assert_eq!(same.sign(b"x"), key.sign(b"x"));
        }
        let error = AccessKey::new(&format!("{}\n", "k".repeat(31))).unwrap_err();
        assert_eq!(error.to_string(), "an access key has at least 32 bytes, this one has 31");
        assert!(AccessKey::new("").is_err());
        // Bytes are counted, not characters; more than one line end is the key's own.
        assert!(AccessKey::new(&"ü".repeat(16)).is_ok());
        assert_ne!(AccessKey::new(&format!("{}\n\n", "k".repeat(32))).unwrap().sign(b"x"), key.sign(b"x"));
    }

    #[test]
    fn a_signature_is_what_others_make_of_the_same_key() {
        // By Python: hmac.new(b"0123456789abcdef0123456789abcdef", b"connection", "sha256").hexdigest()
        let key = AccessKey::new("0123456789abcdef0123456789abcdef").unwrap();
        let hex: String = key.sign(b"connection").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5963d4d03ead8d9c771b838b44296f24661bb008fe37742525c7907ae0b3adcd");
    }

    #[test]
    fn nothing_of_a_key_is_shown() {
        let key = AccessKey::new("0123456789abcdef0123456789abcdef").unwrap();
        let keys = Keys { primary: key.clone(), secondary: Some(key) };
        assert_eq!(format!("{keys:?}"), "Keys { primary: AccessKey(***), secondary: Some(AccessKey(***)) }");
    }
}
