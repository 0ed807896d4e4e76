//! Tokens that the gateway makes itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::key::AccessKey;
use crate::sink::{Sink as _, put_number, put_text, put_texts};

/// What a client's token says.
#[derive(Clone, Copy, Debug)]
pub struct ClientToken<'a> {
    /// `{endpoint}/client/hubs/{hub}`: [`Audiences::client`](super::Audiences::client).
    pub audience: &'a str,
    /// The user, if there is one.
    pub user: Option<&'a str>,
    /// What the client may do.
    pub roles: &'a [String],
    /// The groups that it is in from the start.
    pub groups: &'a [String],
    /// When it is made, in seconds since 1970.
    pub issued_s: u64,
    /// From when on it is no longer good, in seconds since 1970.
    pub expires_s: u64,
}

/// A token for a client. Roles and groups are left out where there are none.
#[must_use]
pub fn sign_client(key: &AccessKey, token: &ClientToken<'_>) -> String {
    let mut claims = times(token.audience, token.issued_s, token.expires_s);
    if let Some(user) = token.user {
        claims.put(b",\"sub\":");
        put_text(&mut claims, user.as_bytes());
    }
    for (name, list) in [("role", token.roles), ("webpubsub.group", token.groups)] {
        if !list.is_empty() {
            claims.put(b",");
            put_text(&mut claims, name.as_bytes());
            claims.put(b":");
            put_texts(&mut claims, list);
        }
    }
    sign(key, claims)
}

/// A token for a REST request. `url` is that of the request, with the query or without it; the times are in seconds
/// since 1970.
#[must_use]
pub fn sign_rest(key: &AccessKey, url: &str, issued_s: u64, expires_s: u64) -> String {
    sign(key, times(url, issued_s, expires_s))
}

/// The beginning of an object.
fn times(audience: &str, issued_s: u64, expires_s: u64) -> Vec<u8> {
    let mut claims = b"{\"aud\":".to_vec();
    put_text(&mut claims, audience.as_bytes());
    claims.put(b",\"iat\":");
    put_number(&mut claims, issued_s);
    claims.put(b",\"exp\":");
    put_number(&mut claims, expires_s);
    claims
}

fn sign(key: &AccessKey, mut claims: Vec<u8>) -> String {
    claims.put(b"}");
    let mut token = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = key.sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}
