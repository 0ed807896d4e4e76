//! A token taken apart: JWS in compact form (RFC 7515 3.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::TokenError;
use crate::object::Object;

/// Most bytes of a token. A service's repeats the URL of its request in base64, so its head of 64 KiB has less.
pub const TOKEN_LEN_MAX: usize = 48 * 1024;

/// Fields of a header that name keys from elsewhere, or what has to be understood. Never followed.
const REFUSED: [&str; 5] = ["crit", "jku", "jwk", "x5u", "x5c"];

/// The parts of a token, as they came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'t> {
    /// What the signature is of: header and payload with the dot between them.
    pub(crate) signed: &'t str,
    pub(crate) header: &'t str,
    pub(crate) payload: &'t str,
    pub(crate) signature: &'t str,
}

impl<'t> Parts<'t> {
    pub(crate) fn of(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        Ok(Self { signed, header, payload, signature })
    }
}

/// RFC 7515 section 2: base64url "with all trailing '=' characters omitted". A dot is no character of it, so a fourth
/// part ends here.
pub(crate) fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

/// A text of a header; nothing where it is not there or no text.
pub(crate) fn text_of(header: &Object<'_>, name: &str) -> Option<String> {
    header.get(name).and_then(|json| serde_json::from_str(json).ok())
}

/// Refuses headers that ask for what is never done.
pub(crate) fn judge_fields(header: &Object<'_>) -> Result<(), TokenError> {
    let is_refused = REFUSED.iter().any(|name| header.get(name).is_some());
    if is_refused { Err(TokenError::Header) } else { Ok(()) }
}
