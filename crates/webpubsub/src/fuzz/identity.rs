//! Identity providers: their keys, and their tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::identity::{
    Asked, KEYS_MAX, KeyRing, KeySet, Pace, ProviderToken, Refused, SET_LEN_MAX, Trust, Waiting,
};
use crate::token::{AccessKey, Audiences, Keys, TOKEN_LEN_MAX, TokenError, verify};

const NOW_S: u64 = 1_800_000_000;
/// The base point of P-256, whose private half, 1, nobody has used here: nothing is signed by it.
const SET: &str = concat!(
    r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"e","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","#,
    r#""y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}]}"#
);

/// Any bytes as what a provider publishes.
///
/// # Panics
///
/// When a promise is broken.
pub fn key_set(data: &[u8]) {
    let Ok(set) = KeySet::read(data) else { return };
    assert!(data.len() <= SET_LEN_MAX);
    assert!(set.count() <= KEYS_MAX, "{} keys", set.count());
    assert!(set.count() > 0 || set.ignored().is_empty(), "a list without a useful key is empty");
    assert!(set.count() + set.ignored().len() <= KEYS_MAX, "each is used or left out");
    // Nobody signed these.
    for (algorithm, header) in [("RS256", r#"{"alg":"RS256"}"#), ("ES256", r#"{"alg":"ES256"}"#)] {
        let token = format!("{}.e30.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(data));
        let Ok(token) = ProviderToken::read(&token) else { continue };
        assert_eq!(token.algorithm().name(), algorithm);
        let refused = trust().verify(&token, &set, NOW_S).expect_err("nobody signed this");
        let is_by_key = matches!(refused, TokenError::Key | TokenError::Signature);
        assert!(is_by_key, "{refused}: nothing else is looked at before the signature");
    }
}

/// Any bytes as a token, and, parted at the first two bytes of 0xFF, as its header, its claims and its signature.
///
/// # Panics
///
/// When a promise is broken.
pub fn provider_token(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        judge(text);
    }
    let mut parts = data.splitn(3, |byte| *byte == 0xFF);
    let mut part = || URL_SAFE_NO_PAD.encode(parts.next().unwrap_or_default());
    judge(&format!("{}.{}.{}", part(), part(), part()));
}

fn judge(text: &str) {
    let (Ok(set), Ok(key)) = (KeySet::read(SET.as_bytes()), AccessKey::new(SET)) else {
        panic!("they are good")
    };
    let read = ProviderToken::read(text);
    // What is public is the secret of nobody, and no token is for both kinds of keys.
    let keys = Keys { primary: key, secondary: None };
    let by_key = verify(text, &keys, &Audiences::of_client(&[], "chat"), NOW_S);
    let refused = by_key.expect_err("nobody signed this");
    let Ok(token) = read else { return };
    assert!(text.len() <= TOKEN_LEN_MAX);
    assert!(!matches!(refused, TokenError::Signature | TokenError::Audience), "{refused}: {text}");
    assert_eq!(token.text_len(), text.len());
    let verified = trust().verify(&token, &set, NOW_S);
    assert!(verified.is_err(), "nobody signed this: {text}");
    assert!(!format!("{token:?}").contains(text), "it is shown to nobody");
    wait(token, set);
}

/// One waits for its key, is given back when the fetch is over, and does not wait twice.
fn wait(token: ProviderToken, set: KeySet) {
    let mut ring = KeyRing::new(Pace::default());
    let has = set.has(&token);
    let waiting = Waiting { token, whose: () };
    assert_eq!(ring.ask(waiting, Default::default()), Asked::Waits { begins: true });
    assert!(ring.due().is_none(), "it is being fetched");
    let back = ring.end(Some(set), Default::default());
    let [back] = <[_; 1]>::try_from(back).expect("the one that waited");
    match ring.ask(back, Default::default()) {
        Asked::Known(_) => assert!(has),
        Asked::Refused(_, why) => assert!(!has && why == Refused::Unknown, "{why:?}"),
        Asked::Waits { .. } => panic!("within the same minute"),
    }
    assert_eq!(ring.waiting_count(), 0);
}

fn trust() -> Trust {
    Trust {
        issuer: "https://id.example/".to_owned(),
        audiences: vec!["chat".to_owned()],
        user_claim: "sub".to_owned(),
        roles_claim: Some("scope".to_owned()),
        groups_claim: Some("groups".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_has_a_key_and_what_is_shown_reaches_its_signature() {
        let set = KeySet::read(SET.as_bytes()).expect("a set");
        assert_eq!((set.count(), set.ignored().len()), (1, 0));
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"e"}"#);
        let token = format!("{header}.e30.{}", URL_SAFE_NO_PAD.encode([1; 64]));
        let token = ProviderToken::read(&token).expect("a token");
        assert_eq!(trust().verify(&token, &set, NOW_S), Err(TokenError::Signature));
    }
}
