//! Tokens by which reliable clients get their connections back. They are the gateway's own, and opaque to others: the
//! time until which one is good and a signature of that and of the connection's id. Nothing is stored for one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::key::{AccessKey, Keys};

/// How long such a token is good, in seconds: a week.
pub const RECONNECTION_S: u64 = 7 * 24 * 3600;

/// Bytes of a time and of a signature.
const TIME: usize = 8;
const SIGNATURE: usize = 32;

/// What the key is derived with that signs these, so that no signature of an access key itself is one of them: not
/// that of a JWT, nor `ce-signature`, which is of a connection's id, too.
const LABEL: &[u8] = b"holdfast reconnection tokens 1";

impl Keys {
    /// A token for the connection with this id, signed by the primary key. `expires_s` is in seconds since 1970.
    #[must_use]
    pub fn sign_reconnection(&self, connection: &str, expires_s: u64) -> String {
        let time = expires_s.to_be_bytes();
        let signature = derived(&self.primary).sign(&signed(&time, connection));
        URL_SAFE_NO_PAD.encode([&time[..], &signature[..]].concat())
    }

    /// Whether this is a token for the connection with this id, of one of the keys, and good at this time, which is in
    /// seconds since 1970.
    #[must_use]
    pub fn is_reconnection(&self, token: &str, connection: &str, now_s: u64) -> bool {
        // What is longer is not even decoded.
        if token.len() > (TIME + SIGNATURE).div_ceil(3) * 4 {
            return false;
        }
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((time, signature)) = bytes.split_first_chunk::<TIME>() else { return false };
        let signed = signed(time, connection);
        // Both keys are tried always.
        let is_ours =
            self.iter().fold(false, |found, key| found | derived(key).is_signature(&signed, signature));
        is_ours && now_s < u64::from_be_bytes(*time)
    }
}

fn derived(key: &AccessKey) -> AccessKey {
    key.derive(LABEL)
}

fn signed(time: &[u8; TIME], connection: &str) -> Vec<u8> {
    [&time[..], connection.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: char) -> AccessKey {
        AccessKey::new(&byte.to_string().repeat(32)).unwrap()
    }

    fn keys() -> Keys {
        Keys { primary: key('a'), secondary: Some(key('b')) }
    }

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_token_is_good_for_its_connection_until_its_time_is_over() {
        let token = keys().sign_reconnection(ID, 1000);
        assert!(keys().is_reconnection(&token, ID, 999));
        assert!(!keys().is_reconnection(&token, ID, 1000), "its time is over");
        assert!(!keys().is_reconnection(&token, &ID.replace('0', "f"), 999), "another connection's");
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
    }

    #[test]
    fn a_key_that_was_replaced_is_good_while_it_is_the_secondary_one() {
        let old = Keys { primary: key('b'), secondary: None };
        let token = old.sign_reconnection(ID, 1000);
        assert!(keys().is_reconnection(&token, ID, 1));
        let gone = Keys { primary: key('a'), secondary: None };
        assert!(!gone.is_reconnection(&token, ID, 1));
    }

    #[test]
    fn what_the_access_key_itself_has_signed_is_none() {
        let time = 1000_u64.to_be_bytes();
        let forged = key('a').sign(&signed(&time, ID));
        let token = URL_SAFE_NO_PAD.encode([&time[..], &forged[..]].concat());
        assert!(!keys().is_reconnection(&token, ID, 1));
    }

    #[test]
    fn a_signature_is_what_others_make_of_the_same_key() {
        // By Python: d = hmac.new(b"a" * 32, b"holdfast reconnection tokens 1", "sha256").digest();
        // t = (1000).to_bytes(8, "big"); base64.urlsafe_b64encode(t + hmac.new(d, t + ID, "sha256").digest())
        assert_eq!(
            keys().sign_reconnection(ID, 1000),
            "AAAAAAAAA-gOQVkRra9cdLXLHrsdgrCOajqxt4vrmKYGfBLEcyRljg"
        );
    }

    proptest! {
        #[test]
        fn one_that_was_changed_is_none(at in 0..54_usize, other in "[A-Za-z0-9_-]") {
            let mut changed = keys().sign_reconnection(ID, 1000);
            prop_assume!(changed.get(at..=at).is_some_and(|it| it != other));
            changed.replace_range(at..=at, &other);
            prop_assert!(!keys().is_reconnection(&changed, ID, 1));
        }

        #[test]
        fn any_text_is_taken_without_harm(text in ".{0,100}") {
            prop_assert!(!keys().is_reconnection(&text, ID, 1));
        }
    }
}
