//! A provider's keys (RFC 7517 5).

use serde_json::value::RawValue;

use super::bounds::{KEYS_MAX, SET_LEN_MAX};
use super::error::{Ignored, SetError, Why};
use super::jwk::Key;
use super::token::ProviderToken;
use crate::object::Object;

/// Those keys of a document that are of use: one at least.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    ignored: Vec<Ignored>,
}

impl KeySet {
    /// Reads a document. Fields that are not known are passed over; so are keys that are of no use, which
    /// [`ignored`](Self::ignored) has.
    ///
    /// # Errors
    /// When it is no set of keys, or none of them is of use.
    pub fn read(document: &[u8]) -> Result<Self, SetError> {
        if document.len() > SET_LEN_MAX {
            return Err(SetError::TooLong);
        }
        let object = Object::read(document).ok_or(SetError::Malformed)?;
        let list = object.get("keys").and_then(|json| serde_json::from_str::<Vec<&RawValue>>(json).ok());
        let list = list.ok_or(SetError::Malformed)?;
        if list.len() > KEYS_MAX {
            return Err(SetError::TooMany);
        }
        let (mut keys, mut ignored) = (Vec::<Key>::new(), Vec::new());
        for (index, json) in list.into_iter().enumerate() {
            match Key::read(json.get()) {
                Ok(key) if is_there(&keys, &key) => ignored.push(Ignored { index, why: Why::Twice }),
                Ok(key) => keys.push(key),
                Err(why) => ignored.push(Ignored { index, why }),
            }
        }
        // A provider that has withdrawn its last key says so by an empty list. One that has only others may be wrong.
        if let Some(first) = ignored.first().filter(|_| keys.is_empty()) {
            return Err(SetError::Useless(*first));
        }
        Ok(Self { keys, ignored })
    }

    /// How many are of use.
    #[must_use]
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// Those that were left out: to be logged.
    #[must_use]
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }

    /// Whether one of them is meant by the token, so that none has to be fetched.
    #[must_use]
    pub fn has(&self, token: &ProviderToken) -> bool {
        self.find(token).is_some()
    }

    /// The one key for the token's algorithm that has its name; or, where the token names none, the only one for its
    /// algorithm.
    pub(super) fn find(&self, token: &ProviderToken) -> Option<&Key> {
        let is_meant = |key: &&Key| {
            key.algorithm == token.algorithm()
                && token.kid().is_none_or(|kid| key.kid.as_deref() == Some(kid))
        };
        let mut fitting = self.keys.iter().filter(is_meant);
        fitting.next().filter(|_| fitting.next().is_none())
    }
}

fn is_there(keys: &[Key], key: &Key) -> bool {
    key.kid.is_some() && keys.iter().any(|one| one.kid == key.kid && one.algorithm == key.algorithm)
}
