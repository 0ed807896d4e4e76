//! Whether a token is good.

use super::audience::Audiences;
use super::claims::{Claims, texts};
use super::compact::{Parts, decode, judge_fields, text_of};
use super::error::TokenError;
use super::key::Keys;
use super::times::judge_times;
use crate::object::Object;

/// What a token says, if one of the keys signed it, its time is now, and it is for one of the audiences.
///
/// `now_s` is in seconds since 1970.
///
/// # Errors
/// When it is not good. What it says is not looked at before its signature.
pub fn verify(token: &str, keys: &Keys, audiences: &Audiences<'_>, now_s: u64) -> Result<Claims, TokenError> {
    let parts = Parts::of(token)?;
    let (header, payload) = (decode(parts.header)?, decode(parts.payload)?);
    let signature = decode(parts.signature)?;
    judge_header(&header)?;
    if !keys.is_signature(parts.signed.as_bytes(), &signature) {
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

/// The algorithm belongs to the keys: the header must name it, and chooses nothing.
fn judge_header(header: &[u8]) -> Result<(), TokenError> {
    let header = Object::read(header).ok_or(TokenError::Malformed)?;
    if text_of(&header, "alg").as_deref() != Some("HS256") {
        return Err(TokenError::Algorithm);
    }
    judge_fields(&header)
}
