//! Whether a token is good.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::audience::Audiences;
use super::claims::{Claims, texts};
use super::error::TokenError;
use super::key::Keys;
use crate::object::Object;

/// Most bytes of a token. A service's repeats the URL of its request in base64, so its head of 64 KiB has less.
pub const TOKEN_LEN_MAX: usize = 48 * 1024;

/// How many seconds before its `nbf` a token is good: others' clocks may be ahead. Behind its `exp` it is never.
pub const LEEWAY_S: u64 = 60;

/// Fields of a header that name keys from elsewhere, or what has to be understood. Never followed.
const REFUSED: [&str; 5] = ["crit", "jku", "jwk", "x5u", "x5c"];

/// What a token says, if one of the keys signed it, its time is now, and it is for one of the audiences.
///
/// `now_s` is in seconds since 1970.
///
/// # Errors
/// When it is not good. What it says is not looked at before its signature.
pub fn verify(token: &str, keys: &Keys, audiences: &Audiences, now_s: u64) -> Result<Claims, TokenError> {
    if token.len() > TOKEN_LEN_MAX {
        return Err(TokenError::TooLong);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
    judge_header(&header)?;
    if !keys.is_signature(signed.as_bytes(), &signature) {
        return Err(TokenError::Signature);
    }
    let object = Object::read(&payload).ok_or(TokenError::Malformed)?;
    judge_times(&object, now_s)?;
    let own = texts(&object, "aud")?.ok_or(TokenError::Claim("aud"))?;
    if !own.iter().any(|audience| audiences.has(audience)) {
        return Err(TokenError::Audience);
    }
    Claims::read(&object)
}

/// RFC 7515 section 2: base64url "with all trailing '=' characters omitted". A dot is no character of it, so a fourth
/// part ends here.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

/// The algorithm belongs to the keys: the header must name it, and chooses nothing.
fn judge_header(header: &[u8]) -> Result<(), TokenError> {
    let header = Object::read(header).ok_or(TokenError::Malformed)?;
    let algorithm: Option<String> = header.get("alg").and_then(|json| serde_json::from_str(json).ok());
    if algorithm.as_deref() != Some("HS256") {
        return Err(TokenError::Algorithm);
    }
    let is_refused = REFUSED.iter().any(|name| header.get(name).is_some());
    if is_refused { Err(TokenError::Header) } else { Ok(()) }
}

fn judge_times(object: &Object<'_>, now_s: u64) -> Result<(), TokenError> {
    let expires = seconds(object, "exp")?.ok_or(TokenError::Claim("exp"))?;
    let begins = seconds(object, "nbf")?.unwrap_or_default();
    // RFC 7519 4.1.4: "on or after which the JWT MUST NOT be accepted".
    if now_s as f64 >= expires {
        return Err(TokenError::Expired);
    }
    if begins > now_s.saturating_add(LEEWAY_S) as f64 {
        return Err(TokenError::NotYet);
    }
    Ok(())
}

/// RFC 7519 section 2, NumericDate: a number of seconds, "non-integer values can be represented".
fn seconds(object: &Object<'_>, name: &'static str) -> Result<Option<f64>, TokenError> {
    let read = |json| serde_json::from_str(json).map_err(|_| TokenError::Claim(name));
    object.get(name).map(read).transpose()
}
