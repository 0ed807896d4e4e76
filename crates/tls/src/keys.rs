//! Keys of one direction, ready to use. They are made for a call and dropped with it.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroize;

use crate::lens::{IV_LEN, KEY_LEN_MAX, SECRET_LEN_MAX, TAG_LEN};
use crate::secret::Expander;
use crate::suite::{Suite, Version};

/// The key and the IV of one direction.
pub(crate) struct Keys {
    aead: LessSafeKey,
    iv: [u8; IV_LEN],
}

impl Drop for Keys {
    /// The expanded key is wiped by the library when it gives the memory back.
    fn drop(&mut self) {
        self.iv[..].zeroize();
    }
}

impl Keys {
    /// From what a state keeps. None if the library has no memory for them.
    pub(crate) fn of(suite: Suite, kept: &[u8]) -> Option<Self> {
        let kept = kept.get(..suite.kept_len())?;
        let mut own_key = [0; KEY_LEN_MAX];
        let key = &mut own_key[..suite.algorithm().key_len()];
        let mut iv = [0; IV_LEN];
        match suite.version() {
            Version::V13 => {
                let expander = Expander::new(suite.hash(), kept);
                expander.expand(b"key", key);
                expander.expand(b"iv", &mut iv);
            }
            Version::V12 => {
                let (kept_key, kept_iv) = kept.split_at(key.len());
                key.copy_from_slice(kept_key);
                iv.copy_from_slice(kept_iv);
            }
        }
        let aead = UnboundKey::new(suite.algorithm(), key);
        own_key[..].zeroize();
        Some(Self { aead: LessSafeKey::new(aead.ok()?), iv })
    }

    /// The nonce of a record: the IV, and in its last eight bytes the record's number (RFC 8446 5.3).
    pub(crate) fn nonce(&self, number: u32) -> [u8; IV_LEN] {
        let mut nonce = self.iv;
        nonce[8..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, number)| *byte ^= number);
        nonce
    }

    /// Opens in place; how many bytes are plaintext. None if it was not sealed like this.
    pub(crate) fn open(&self, nonce: [u8; IV_LEN], aad: &[u8], sealed: &mut [u8]) -> Option<usize> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.aead.open_in_place(nonce, Aad::from(aad), sealed).ok().map(|plain| plain.len())
    }

    /// Seals in place and puts the tag into the last bytes. None if the library fails, or there is no room for a tag.
    pub(crate) fn seal(&self, nonce: [u8; IV_LEN], aad: &[u8], whole: &mut [u8]) -> Option<()> {
        let (plain, place) = whole.split_at_mut(whole.len().checked_sub(TAG_LEN)?);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.aead.seal_in_place_separate_tag(nonce, Aad::from(aad), plain).ok()?;
        place.copy_from_slice(tag.as_ref());
        Some(())
    }
}

/// Puts the next traffic secret in place of this one (RFC 8446 7.2).
pub(crate) fn update(suite: Suite, secret: &mut [u8]) {
    let len = suite.hash().len().min(secret.len());
    let mut next = [0; SECRET_LEN_MAX];
    Expander::new(suite.hash(), &secret[..len]).expand(b"traffic upd", &mut next[..len]);
    secret[..len].copy_from_slice(&next[..len]);
    next[..].zeroize();
}
