//! When a token is good.

use super::error::TokenError;
use crate::object::Object;

/// How many seconds before its `nbf` a token is good: others' clocks may be ahead. Behind its `exp` it is never.
pub const LEEWAY_S: u64 = 60;

/// Whether its time is now, in seconds since 1970.
pub(crate) fn judge_times(object: &Object<'_>, now_s: u64) -> Result<(), TokenError> {
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
