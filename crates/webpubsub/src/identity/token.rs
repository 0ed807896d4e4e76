//! A token before its signature is looked at.

use std::fmt;

use super::jwk::Algorithm;
use crate::object::Object;
use crate::token::TokenError;
use crate::token::compact::{Parts, decode, judge_fields, text_of};

/// A token that says that it is signed by RS256 or ES256. Nothing that it says is believed yet.
///
/// It owns its text, so that it can wait for keys, or go to the thread that verifies it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderToken {
    text: Box<str>,
    algorithm: Algorithm,
    kid: Option<Box<str>>,
}

impl ProviderToken {
    /// Reads the header.
    ///
    /// # Errors
    /// When it has more than [`TOKEN_LEN_MAX`](crate::token::TOKEN_LEN_MAX) bytes, is no token, or its header asks for
    /// something else. [`TokenError::ProviderAlgorithm`] where it may be an access key's.
    pub fn read(token: &str) -> Result<Self, TokenError> {
        let header = decode(Parts::of(token)?.header)?;
        let header = Object::read(&header).ok_or(TokenError::Malformed)?;
        let algorithm = text_of(&header, "alg").and_then(|name| Algorithm::from_name(&name));
        let algorithm = algorithm.ok_or(TokenError::ProviderAlgorithm)?;
        judge_fields(&header)?;
        judge_type(&header)?;
        let kid = match header.get("kid") {
            Some(json) => Some(serde_json::from_str(json).map_err(|_| TokenError::Malformed)?),
            None => None,
        };
        Ok(Self { text: token.into(), algorithm, kid })
    }

    /// What its header says that it is signed by.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// How many bytes it has.
    #[must_use]
    pub fn text_len(&self) -> usize {
        self.text.len()
    }

    /// The name of its key, if it has one.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(super) fn parts(&self) -> Result<Parts<'_>, TokenError> {
        Parts::of(&self.text)
    }
}

/// Neither token nor name of the key are shown.
impl fmt::Debug for ProviderToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProviderToken({}, ***)", self.algorithm.name())
    }
}

/// RFC 8725 3.11: a provider signs other things by the same keys, such as notices that somebody has logged out. What
/// says that it is something else is not taken. RFC 7515 4.1.9: `application/` may be left out, letter case does not
/// matter.
fn judge_type(header: &Object<'_>) -> Result<(), TokenError> {
    if header.get("typ").is_none() {
        return Ok(());
    }
    let name = text_of(header, "typ").ok_or(TokenError::Type)?.to_ascii_lowercase();
    let name = name.strip_prefix("application/").unwrap_or(&name);
    if ["jwt", "at+jwt"].contains(&name) { Ok(()) } else { Err(TokenError::Type) }
}
