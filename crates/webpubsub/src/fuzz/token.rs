//! Tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::endpoint::Endpoint;
use crate::token::{AccessKey, Audiences, Keys, TOKEN_LEN_MAX, bearer, verify};

const KEY: &str = "a key that is at least thirty-two bytes long";
const NOW_S: u64 = 1_800_000_000;

/// What a header says.
#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// What claims say.
#[derive(Debug, Deserialize)]
struct Says {
    exp: f64,
    aud: serde_json::Value,
}

/// Any bytes as a token, as an Authorization header, and as what a good signature is for: a header and claims.
///
/// # Panics
///
/// When a promise is broken.
pub fn token(data: &[u8]) {
    let (Ok(key), Ok(endpoint)) = (AccessKey::new(KEY), Endpoint::parse("http://127.0.0.1:8085")) else {
        return;
    };
    let endpoints = [endpoint];
    let audiences = Audiences::of_client(&endpoints, "chat");
    let keys = Keys { primary: key.clone(), secondary: None };
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = bearer(text).map(|token| verify(token, &keys, &audiences, NOW_S));
        assert!(verify(text, &keys, &audiences, NOW_S).is_err(), "nobody signed this: {text}");
    }
    // The first byte of 0xFF parts header and claims.
    let end = data.iter().position(|byte| *byte == 0xFF).unwrap_or(data.len());
    let (header, claims) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let usual: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;
    for header in [header, usual] {
        signed(&key, &keys, &audiences, header, claims);
    }
}

/// Header and claims of anybody's who has the key. Whether they are good.
fn signed(key: &AccessKey, keys: &Keys, audiences: &Audiences<'_>, header: &[u8], claims: &[u8]) -> bool {
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(token.as_bytes()));
    token = format!("{token}.{signature}");
    if verify(&token, keys, audiences, NOW_S).is_err() {
        return false;
    }
    assert!(token.len() <= TOKEN_LEN_MAX);
    let header: Result<Header, _> = serde_json::from_slice(header);
    assert!(header.is_ok_and(|header| header.alg == "HS256"), "another algorithm");
    let says: Result<Says, _> = serde_json::from_slice(claims);
    let is_for_us = |aud: &serde_json::Value| {
        let is_it = |one: &serde_json::Value| {
            one.as_str().is_some_and(|one| one.eq_ignore_ascii_case("http://127.0.0.1:8085/client/hubs/chat"))
        };
        is_it(aud) || aud.as_array().is_some_and(|list| list.iter().any(is_it))
    };
    let is_good = |says: &Says| says.exp > NOW_S as f64 && is_for_us(&says.aud);
    assert!(says.as_ref().is_ok_and(is_good), "{says:?}");
    // Another signature is none, and neither is none.
    let unsigned = &token[..token.len() - signature.len()];
    assert!(verify(unsigned, keys, audiences, NOW_S).is_err());
    assert!(
        verify(&format!("{unsigned}{}", URL_SAFE_NO_PAD.encode([0; 32])), keys, audiences, NOW_S).is_err()
    );
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_to_be_good_is() {
        let key = AccessKey::new(KEY).expect("a key");
        let keys = Keys { primary: key.clone(), secondary: None };
        let endpoint = Endpoint::parse("http://127.0.0.1:8085").expect("an endpoint");
        let endpoints = [endpoint];
        let audiences = Audiences::of_client(&endpoints, "chat");
        let claims = br#"{"aud":"http://127.0.0.1:8085/client/hubs/chat","exp":1900000000}"#;
        assert!(signed(&key, &keys, &audiences, br#"{"alg":"HS256"}"#, claims));
        assert!(!signed(&key, &keys, &audiences, br#"{"alg":"none"}"#, claims));
    }
}
