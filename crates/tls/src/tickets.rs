//! Keys of session tickets: made here and changed, or from a file that several nodes share.
//!
//! A ticket is 16 bytes that name a key, 16 bytes of salt, and what rustls needs to go on, sealed with a key of its own
//! that follows from these. So no number is ever used twice, however many tickets one key makes.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a key as a file has it: its name, and the key itself.
pub const TICKET_KEY_LEN: usize = NAME_LEN + SECRET_LEN;

/// The most keys of a file.
pub const TICKET_KEYS_MAX: usize = 16;

/// The longest that a ticket may be good for, in seconds (RFC 8446 4.6.1).
pub const TICKET_LIFETIME_MAX: u32 = 7 * 24 * 3600;

/// The most bytes that are put into a ticket. A client's certificates are among them.
const PLAIN_LEN_MAX: usize = 8 * 1024;

const NAME_LEN: usize = 16;
const SECRET_LEN: usize = 32;
const SALT_LEN: usize = 16;
const TIME_LEN: usize = 8;
const TAG_LEN: usize = 16;
const HEAD_LEN: usize = NAME_LEN + SALT_LEN;

/// One key.
struct Key([u8; TICKET_KEY_LEN]);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Keys of session tickets. All nodes and all configurations may share one.
pub struct Tickets {
    keys: RwLock<Keys>,
    lifetime: u32,
}

struct Keys {
    /// The first makes tickets; all are good for tickets that come back.
    all: Vec<Key>,
    /// When the first is to be changed, if they are made here.
    change_at: Option<u64>,
}

impl std::fmt::Debug for Tickets {
    /// No key is shown.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tickets").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl Tickets {
    /// Keys that are made here. A new one is made after each lifetime, and the last one is still good for another.
    ///
    /// # Errors
    ///
    /// If there are no random numbers.
    pub fn made(lifetime: u32, now: u64) -> Result<Self, String> {
        let lifetime = lifetime.clamp(1, TICKET_LIFETIME_MAX);
        let all = vec![new_key().ok_or("there are no random numbers")?];
        let keys = Keys { all, change_at: Some(now.saturating_add(lifetime.into())) };
        Ok(Self { keys: RwLock::new(keys), lifetime })
    }

    /// Keys from a file: 48 random bytes for each, such as `openssl rand 48` writes. The first makes tickets. A new
    /// key is put behind first, on all nodes, then in front, and the old one is taken away a lifetime later.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with the file.
    pub fn shared(file: &[u8], lifetime: u32) -> Result<Self, String> {
        let keys = Keys { all: read(file)?, change_at: None };
        Ok(Self { keys: RwLock::new(keys), lifetime: lifetime.clamp(1, TICKET_LIFETIME_MAX) })
    }

    /// Takes what the file has now; if it is wrong, the old keys stay.
    ///
    /// # Errors
    ///
    /// As [`Tickets::shared`].
    pub fn replace(&self, file: &[u8]) -> Result<(), String> {
        let all = read(file)?;
        *self.write() = Keys { all, change_at: None };
        Ok(())
    }

    /// How long a ticket is good for, in seconds.
    pub fn lifetime(&self) -> u32 {
        self.lifetime
    }

    /// Makes a new key if it is time. Handshakes do so too; whoever has a clock calls it, so that old keys are gone
    /// even if nobody comes.
    pub fn change(&self, now: u64) {
        if self.read().change_at.is_none_or(|at| now < at) {
            return;
        }
        let Some(key) = new_key() else { return };
        let mut keys = self.write();
        let Some(at) = keys.change_at.filter(|at| now >= *at) else { return };
        // If nobody came for so long, the last key's time is over, too.
        let is_old = now - at >= u64::from(self.lifetime);
        keys.all.truncate(usize::from(!is_old));
        keys.all.insert(0, key);
        keys.change_at = Some(now.saturating_add(self.lifetime.into()));
    }

    /// Makes a ticket. It is good where the context is the same only.
    pub(crate) fn seal(&self, plain: &[u8], context: &[u8], now: u64) -> Option<Vec<u8>> {
        self.change(now);
        if plain.len() > PLAIN_LEN_MAX {
            return None;
        }
        let mut ticket = vec![0; HEAD_LEN];
        rand::fill(&mut ticket[NAME_LEN..]).ok()?;
        let keys = self.read();
        let key = keys.all.first()?;
        ticket[..NAME_LEN].copy_from_slice(&key.0[..NAME_LEN]);
        let aead = own_key(key, &ticket[NAME_LEN..])?;
        let mut sealed = Zeroizing::new(Vec::with_capacity(TIME_LEN + plain.len() + TAG_LEN));
        sealed.extend_from_slice(&now.to_be_bytes());
        sealed.extend_from_slice(plain);
        aead.seal_in_place_append_tag(nonce(), Aad::from(context), &mut *sealed).ok()?;
        ticket.extend_from_slice(&sealed);
        Some(ticket)
    }

    /// What is in a ticket, if it was made with one of the keys and is not too old.
    pub(crate) fn open(&self, ticket: &[u8], context: &[u8], now: u64) -> Option<Vec<u8>> {
        self.change(now);
        let (head, sealed) = ticket.split_at_checked(HEAD_LEN)?;
        if sealed.len() > TIME_LEN + PLAIN_LEN_MAX + TAG_LEN {
            return None;
        }
        let keys = self.read();
        let key = keys.all.iter().find(|key| key.0[..NAME_LEN] == head[..NAME_LEN])?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let aead = own_key(key, &head[NAME_LEN..])?;
        let plain = aead.open_in_place(nonce(), Aad::from(context), &mut sealed).ok()?;
        let (time, plain) = plain.split_first_chunk()?;
        // Another node's clock may be ahead.
        let age = now.saturating_sub(u64::from_be_bytes(*time));
        (age <= u64::from(self.lifetime)).then(|| plain.to_vec())
    }

    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_key() -> Option<Key> {
    let mut key = Key([0; TICKET_KEY_LEN]);
    rand::fill(&mut key.0).ok()?;
    Some(key)
}

fn read(file: &[u8]) -> Result<Vec<Key>, String> {
    let count = file.len() / TICKET_KEY_LEN;
    if !file.len().is_multiple_of(TICKET_KEY_LEN) || !(1..=TICKET_KEYS_MAX).contains(&count) {
        return Err(format!(
            "a file of ticket keys has {TICKET_KEY_LEN} bytes for each of 1 to {TICKET_KEYS_MAX} keys (openssl rand \
             {TICKET_KEY_LEN}), and this one has {}",
            file.len()
        ));
    }
    let mut keys = Vec::with_capacity(count);
    for bytes in file.chunks_exact(TICKET_KEY_LEN) {
        let mut key = Key([0; TICKET_KEY_LEN]);
        key.0.copy_from_slice(bytes);
        if keys.iter().any(|other: &Key| other.0[..NAME_LEN] == key.0[..NAME_LEN]) {
            return Err("two ticket keys of the file begin with the same 16 bytes".into());
        }
        keys.push(key);
    }
    Ok(keys)
}

/// The key of one ticket.
fn own_key(key: &Key, salt: &[u8]) -> Option<LessSafeKey> {
    let secret = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &key.0[NAME_LEN..]);
    let info = [&b"holdfast ticket"[..], salt];
    Some(LessSafeKey::new(UnboundKey::from(secret.expand(&info, &AES_256_GCM).ok()?)))
}

/// Each key seals one ticket.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::{TICKET_KEY_LEN, TICKET_KEYS_MAX, Tickets};

    #[test]
    fn a_ticket_is_good_for_its_lifetime_in_its_context_and_unchanged() {
        let tickets = Tickets::made(100, 1000).expect("keys");
        let mut ticket = tickets.seal(b"session", b"context", 1050).expect("a ticket");
        let open = |ticket: &[u8], context: &[u8], now| tickets.open(ticket, context, now);
        assert_eq!(open(&ticket, b"context", 1050).as_deref(), Some(&b"session"[..]));
        assert_eq!(open(&ticket, b"another", 1050), None);
        for at in 0..ticket.len() {
            ticket[at] ^= 1;
            assert_eq!(open(&ticket, b"context", 1050), None);
            assert_eq!(open(&ticket[..at], b"context", 1050), None);
            ticket[at] ^= 1;
        }
        // The key is changed at 1100 and still opens what it has made.
        assert_eq!(open(&ticket, b"context", 1150).as_deref(), Some(&b"session"[..]));
        assert_eq!(open(&ticket, b"context", 1151), None);
        assert_eq!(tickets.read().all.len(), 2);
        tickets.change(5000);
        assert_eq!((tickets.read().all.len(), open(&ticket, b"context", 1050)), (1, None));
        assert_eq!(tickets.seal(&vec![0; 8193], b"", 5000), None);
    }

    #[test]
    fn nodes_that_share_a_file_take_each_others_tickets_and_a_wrong_file_changes_nothing() {
        let file: Vec<u8> = (0..2 * u8::try_from(TICKET_KEY_LEN).expect("short")).collect();
        let (one, other) = (Tickets::shared(&file, 60), Tickets::shared(&file, 60));
        let (one, other) = (one.expect("keys"), other.expect("keys"));
        let ticket = one.seal(b"session", b"", 7).expect("a ticket");
        assert_eq!(other.open(&ticket, b"", 7).as_deref(), Some(&b"session"[..]));
        // The first key goes behind.
        let turned = [&file[TICKET_KEY_LEN..], &file[..TICKET_KEY_LEN]].concat();
        other.replace(&turned).expect("keys");
        assert_eq!(other.open(&ticket, b"", 7).as_deref(), Some(&b"session"[..]));
        let doubled = [&file[..TICKET_KEY_LEN], &file[..TICKET_KEY_LEN]].concat();
        let many = vec![0; TICKET_KEY_LEN * (TICKET_KEYS_MAX + 1)];
        for wrong in [&[][..], &file[1..], &doubled, &many] {
            assert!(other.replace(wrong).is_err() && Tickets::shared(wrong, 60).is_err());
        }
        assert_eq!(other.open(&ticket, b"", 7).as_deref(), Some(&b"session"[..]));
        other.replace(&file[TICKET_KEY_LEN..]).expect("keys");
        assert_eq!(other.open(&ticket, b"", 7), None);
    }
}
